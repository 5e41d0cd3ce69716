/**
 * Runs a few tasks at a time, queues a bounded number of others, and refuses the rest: p-limit queues any number,
 * and knows neither owners nor an order.
 */
export class BoundedQueue {
  readonly #concurrency: number
  readonly #room: number
  readonly #share: number
  readonly #first: (() => void)[] = []
  readonly #rest: (() => void)[] = []
  /** The number of waiting tasks of each owner. */
  readonly #waiting = new Map<string, number>()
  #running = 0

  /** `waiting`: most tasks in each of the two queues; `share`: most waiting tasks of one owner. */
  constructor(limits: { readonly concurrency: number; readonly waiting: number; readonly share: number }) {
    this.#concurrency = limits.concurrency
    this.#room = limits.waiting
    this.#share = limits.share
  }

  /**
   * `first`: runs before the tasks without it. Undefined, synchronously: the queue or the owner's share is
   * full.
   */
  run<Result>(
    task: () => Promise<Result>,
    { owner, first }: { readonly owner: string; readonly first: boolean },
  ): Promise<Result> | undefined {
    if (this.#running < this.#concurrency) return this.#start(task)
    const queue = first ? this.#first : this.#rest
    const ofOwner = this.#waiting.get(owner) ?? 0
    if (queue.length >= this.#room || ofOwner >= this.#share) return undefined
    this.#waiting.set(owner, ofOwner + 1)
    return new Promise<void>((resolve) => queue.push(resolve)).then(() => {
      const left = (this.#waiting.get(owner) ?? 1) - 1
      if (left === 0) this.#waiting.delete(owner)
      else this.#waiting.set(owner, left)
      return this.#start(task)
    })
  }

  async #start<Result>(task: () => Promise<Result>): Promise<Result> {
    this.#running++
    try {
      return await task()
    } finally {
      this.#running--
      ;(this.#first.shift() ?? this.#rest.shift())?.()
    }
  }
}

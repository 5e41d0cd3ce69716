/** Runs a few tasks at a time; some wait; more than those are turned away. */
export class BoundedQueue {
  readonly #concurrency: number
  readonly #waiting: (() => void)[] = []
  readonly #room: number
  #running = 0

  constructor(limits: { readonly concurrency: number; readonly waiting: number }) {
    this.#concurrency = limits.concurrency
    this.#room = limits.waiting
  }

  /** Undefined, at once, when as many wait as may. */
  run<Result>(task: () => Promise<Result>): Promise<Result> | undefined {
    if (this.#running < this.#concurrency) return this.#start(task)
    if (this.#waiting.length >= this.#room) return undefined
    return new Promise<void>((resolve) => this.#waiting.push(resolve)).then(() => this.#start(task))
  }

  async #start<Result>(task: () => Promise<Result>): Promise<Result> {
    this.#running++
    try {
      return await task()
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }
}

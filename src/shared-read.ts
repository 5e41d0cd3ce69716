import { setTimeout as sleep } from 'node:timers/promises'

/**
 * One read that several callers share: each gets the answer of a read that began after its call, and so sees what
 * was written before.
 */
export class SharedRead<Answer> {
  readonly #read: () => Promise<Answer>
  readonly #pause: number
  #running: Promise<unknown> | undefined
  #next: Promise<Answer> | undefined

  /** `pause`: milliseconds between a read and the next, whatever the number of callers. */
  constructor(read: () => Promise<Answer>, { pause = 0 }: { readonly pause?: number } = {}) {
    this.#read = read
    this.#pause = pause
  }

  get(): Promise<Answer> {
    this.#next ??= (this.#running ?? Promise.resolve()).then(() => {
      this.#next = undefined
      return this.#begin()
    })
    return this.#next
  }

  #begin(): Promise<Answer> {
    const answer = this.#read()
    const over = answer
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => (this.#pause === 0 ? undefined : sleep(this.#pause, undefined, { ref: false })))
      .then(() => {
        if (this.#running === over) this.#running = undefined
      })
    this.#running = over
    return answer
  }
}

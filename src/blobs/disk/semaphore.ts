/**
 * Lets at most `size` tasks run at once; the others wait in order. Written here because each flush of a file passes
 * it: with a free place the task begins at once, which p-limit defers.
 */
export class Semaphore {
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(size: number) {
    this.#free = size
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await task()
    } finally {
      // The place is passed on directly, so that a new task cannot overtake a waiting one.
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}

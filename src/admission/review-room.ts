/** Bytes of reviews that are held at once. One that finds no room waits for it; the oldest is next. */
export class ReviewRoom {
  readonly #limit: number
  #held = 0
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = []

  /** `limit`: bytes. A review that is larger than that enters alone. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get held(): number {
    return this.#held
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Resolves when there is room; false: the signal came first. What has entered must `leave`. */
  enter(bytes: number, signal: AbortSignal): Promise<boolean> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#held += bytes
      return Promise.resolve(true)
    }
    return new Promise((resolve) => {
      const turn = {
        bytes,
        enter: () => {
          signal.removeEventListener('abort', leave)
          resolve(true)
        },
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1)
        resolve(false)
        this.#admit()
      }
      this.#waiting.push(turn)
      signal.addEventListener('abort', leave, { once: true })
      if (signal.aborted) leave()
    })
  }

  leave(bytes: number): void {
    this.#held -= bytes
    this.#admit()
  }

  #admit(): void {
    for (let [next] = this.#waiting; next !== undefined && this.#fits(next.bytes); [next] = this.#waiting) {
      this.#waiting.shift()
      this.#held += next.bytes
      next.enter()
    }
  }

  #fits(bytes: number): boolean {
    return this.#held === 0 || this.#held + bytes <= this.#limit
  }
}

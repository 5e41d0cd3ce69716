/** Lets callers wait until something has changed, for a limited time. */
export class WakeUps {
  readonly #waiting = new Set<() => void>()

  /** Ends all waits. */
  wake(): void {
    for (const done of this.#waiting) done()
  }

  /** Resolves at the next `wake`, or after `limit` milliseconds; Infinity: without a limit. */
  async wait(limit: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = limit === Infinity ? undefined : setTimeout(done, limit)
      this.#waiting.add(done)
    })
  }
}

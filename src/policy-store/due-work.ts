interface DueWorkParts {
  readonly run: () => Promise<void>
  /** Called whenever nothing is left to do. */
  readonly onDone: () => void
  readonly onFault: (error: unknown) => void
}

/** In milliseconds, after a run that failed. */
const retryDelay = 1000

/**
 * Work that becomes due again and again: one run at a time, a further one for what became due meanwhile, and again after a
 * failure.
 */
export class DueWork {
  readonly #parts: DueWorkParts
  #isDue = false
  #running: Promise<void> | undefined
  #isClosed = false

  constructor(parts: DueWorkParts) {
    this.#parts = parts
  }

  /** Whether something has become due since the last run began. */
  get isDue(): boolean {
    return this.#isDue
  }

  get isDone(): boolean {
    return !this.#isDue && this.#running === undefined
  }

  due(): void {
    this.#isDue = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      this.#parts.onDone()
    })
  }

  /** Resolves when the running one has ended; none begins after it. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#isDue && !this.#isClosed) {
      this.#isDue = false
      try {
        await this.#parts.run()
      } catch (error) {
        this.#parts.onFault(error)
        this.#isDue = true
        await new Promise((resolve) => setTimeout(resolve, retryDelay))
      }
    }
  }
}

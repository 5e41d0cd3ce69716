import type { Log } from '../log.ts'

/** Which parts of the server have not confirmed the policies that they were sent last. */
export class UnconfirmedParts {
  readonly #ask: () => Promise<readonly string[]>
  readonly #log: Log
  readonly #onConfirmed: () => void
  #parts: readonly string[] = []
  #generation = 0
  #isAsking = false

  /** `onConfirmed`: called when all of them have, after some were missing. */
  constructor(
    {
      unconfirmed = () => Promise.resolve([]),
      log,
    }: { readonly unconfirmed?: () => Promise<readonly string[]>; readonly log: Log },
    onConfirmed: () => void,
  ) {
    this.#ask = unconfirmed
    this.#log = log
    this.#onConfirmed = onConfirmed
  }

  get isNone(): boolean {
    return this.#parts.length === 0
  }

  /** In words; undefined: there are none. */
  get note(): string | undefined {
    if (this.isNone) return undefined
    const have = this.#parts.length === 1 ? 'has' : 'have'
    return `${this.#parts.join(', ')} ${have} not confirmed generation ${this.#generation}, and may still judge by an older one`
  }

  /** Called when a generation has been sent to all of them. */
  async ask(generation: number): Promise<void> {
    this.#generation = generation
    this.#parts = await this.#ask()
    if (!this.isNone)
      this.#log.error('policies are not in force everywhere', { generation, unconfirmed: this.#parts })
  }

  /** Asks those that are missing once more, if there are any. Never rejects. */
  async askAgain(): Promise<void> {
    if (this.isNone || this.#isAsking) return
    this.#isAsking = true
    try {
      const generation = this.#generation
      const parts = await this.#ask()
      if (generation !== this.#generation) return
      this.#parts = parts
      if (!this.isNone) return
      this.#log.info('policies are in force', { generation })
      this.#onConfirmed()
    } catch {
      // Whoever could tell is gone: the next time asks again.
    } finally {
      this.#isAsking = false
    }
  }
}

/** Among processes that write one log, one at a time sends it on. */
export interface SinkTurn {
  /** Takes the turn, or keeps it, for a minute. False: another process has it. */
  take(): Promise<boolean>
  release(): Promise<void>
}

/** Milliseconds after which the turn is taken again, or asked for again. */
const renewEvery = 10_000

/** The turn of this process, kept while it asks for it. A process that is alone always has it. */
export class KeptTurn {
  readonly #turn: SinkTurn | undefined
  readonly #every: number
  #askedAt = -Infinity
  #isHeld: boolean

  constructor(turn: SinkTurn | undefined, every = renewEvery) {
    this.#turn = turn
    this.#every = every
    this.#isHeld = turn === undefined
  }

  get isAlone(): boolean {
    return this.#turn === undefined
  }

  /** What was known when it was last asked for. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  async holds(): Promise<boolean> {
    const now = performance.now()
    if (this.#turn === undefined || now - this.#askedAt < this.#every) return this.#isHeld
    this.#isHeld = false
    this.#isHeld = await this.#turn.take()
    this.#askedAt = now
    return this.#isHeld
  }

  async release(): Promise<void> {
    if (this.#isHeld) await this.#turn?.release()
  }
}

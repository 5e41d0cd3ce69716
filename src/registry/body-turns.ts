/** Bytes that are looked at between two rounds of the event loop: some 10 ms for manifests. */
const ofTurn = 256 * 1024
/** What a push costs beside its bytes, in bytes. */
const least = 8 * 1024

/**
 * Bodies that come at once take turns, first come first served: a thread that looked at all of them in one round of its
 * loop would have nobody else's request answered meanwhile.
 */
export class BodyTurns {
  #taken = 0
  #isDue = false
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = []

  /** Undefined: now. More bytes than a turn has get one of their own. */
  take(bytes = ofTurn): Promise<void> | undefined {
    const counted = Math.min(Math.max(bytes, least), ofTurn)
    if (this.#waiting.length === 0 && this.#taken + counted <= ofTurn) {
      this.#count(counted)
      return undefined
    }
    this.#goRoundSoon()
    return new Promise((go) => this.#waiting.push({ bytes: counted, go }))
  }

  #count(bytes: number): void {
    this.#taken += bytes
    // Small bodies would pay for a timer each: the count goes on over several rounds, until it matters.
    if (this.#taken * 2 >= ofTurn) this.#goRoundSoon()
  }

  #goRoundSoon(): void {
    if (this.#isDue) return
    this.#isDue = true
    setImmediate(() => this.#next())
  }

  #next(): void {
    this.#taken = 0
    this.#isDue = false
    for (;;) {
      const [first] = this.#waiting
      if (first === undefined) return
      if (this.#taken + first.bytes > ofTurn) return this.#goRoundSoon()
      this.#waiting.shift()
      this.#count(first.bytes)
      first.go()
    }
  }
}

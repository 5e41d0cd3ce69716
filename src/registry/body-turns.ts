/** Bytes parsed in one turn of the event loop: some 10 ms for manifests. */
const ofTurn = 256 * 1024
/** The cost of a push beside its bytes, expressed in bytes. */
const least = 8 * 1024

/**
 * Lets bodies that arrive together take turns, first come, first served: parsing all of them in one turn of
 * the event loop would block the other requests of the thread.
 */
export class BodyTurns {
  #taken = 0
  #isDue = false
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = []

  /** Undefined: the caller's turn is now. A body larger than a turn gets a whole turn. */
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
    // The count is not reset after each small body, which would cost a timer: it runs on until half of a turn
    // is used.
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

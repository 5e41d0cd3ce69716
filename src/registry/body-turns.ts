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
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = []

  /** Undefined: now. More bytes than a turn has get one of their own. */
  take(bytes = ofTurn): Promise<void> | undefined {
    const counted = Math.min(Math.max(bytes, least), ofTurn)
    if (this.#waiting.length === 0 && this.#taken + counted <= ofTurn) {
      this.#count(counted)
      return undefined
    }
    return new Promise((go) => this.#waiting.push({ bytes: counted, go }))
  }

  #count(bytes: number): void {
    if (this.#taken === 0) setImmediate(() => this.#next())
    this.#taken += bytes
  }

  #next(): void {
    this.#taken = 0
    for (;;) {
      const [first] = this.#waiting
      if (first === undefined || this.#taken + first.bytes > ofTurn) return
      this.#waiting.shift()
      this.#count(first.bytes)
      first.go()
    }
  }
}

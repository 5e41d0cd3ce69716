/** Statements, plus rows beyond one per statement, after which the event loop gets a turn: about 10 ms. */
const ofTurn = 1000
/**
 * After this much work a transaction takes no further change, so that the callers in its batch do not wait
 * long.
 */
const ofTransaction = 4000

/** The work of one transaction, in statements and rows. */
export class WriterWork {
  #total = 0
  #sinceTurn = 0

  add(rows: number): void {
    this.#total += rows
    this.#sinceTurn += rows
  }

  get isMuch(): boolean {
    return this.#total >= ofTransaction
  }

  /** Gives the event loop a turn if one is due. */
  turn(): void | Promise<void> {
    if (this.#sinceTurn < ofTurn) return
    this.#sinceTurn = 0
    return new Promise((resolve) => void setImmediate(resolve))
  }
}

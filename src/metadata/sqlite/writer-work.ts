/** Statements, and rows beyond one a statement, after which the thread goes round: some 10 ms. */
const ofTurn = 1000
/** After which a transaction takes no further change, so that those who wait for its end do not wait for long. */
const ofTransaction = 4000

/** What one transaction has done, in statements and rows. */
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

  /** Lets the thread go round, where that is due. */
  turn(): void | Promise<void> {
    if (this.#sinceTurn < ofTurn) return
    this.#sinceTurn = 0
    return new Promise((resolve) => void setImmediate(resolve))
  }
}

/**
 * Lends the buffers in which parts wait for S3, at most `bytes` of them at a time in this thread. Who asks for more than
 * is left waits in order. A borrower may hold one buffer that fills; it returns those that are being sent without waiting
 * for anything, so that everybody gets one in the end.
 */
export class PartBudget {
  readonly #bytes: number
  readonly #waiting: { readonly size: number; readonly resolve: (buffer: Buffer) => void }[] = []
  #lent = 0
  /** A returned buffer, kept because fresh memory of this size costs a page fault for each page. */
  readonly #idle: Buffer[] = []

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  /** Resolves to a buffer of `size` bytes, or of the whole budget if that is less. */
  take(size: number): Promise<Buffer> | Buffer {
    const most = Math.min(size, this.#bytes)
    if (this.#waiting.length === 0 && this.#lent + most <= this.#bytes) return this.#lend(most)
    return new Promise((resolve) => this.#waiting.push({ size: most, resolve }))
  }

  give(buffer: Buffer): void {
    this.#lent -= buffer.length
    this.#idle.push(buffer)
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#lent + next.size > this.#bytes) break
      this.#waiting.shift()
      next.resolve(this.#lend(next.size))
    }
    // Idle and lent buffers together stay within the budget.
    let idle = this.#idle.reduce((sum, { length }) => sum + length, 0)
    while (idle + this.#lent > this.#bytes) idle -= this.#idle.shift()?.length ?? idle
  }

  #lend(size: number): Buffer {
    this.#lent += size
    const at = this.#idle.findIndex((buffer) => buffer.length === size)
    return at < 0 ? Buffer.allocUnsafeSlow(size) : (this.#idle.splice(at, 1)[0] as Buffer)
  }
}

const batchBytes = 16 * 1024
const batchTime = 50

/** Collects lines, so that a busy thread does not send each one separately. */
export class LineBatch {
  readonly #send: (lines: string) => void
  #lines: string[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(send: (lines: string) => void) {
    this.#send = send
  }

  add(line: string): void {
    this.#lines.push(line)
    this.#bytes += line.length
    if (this.#bytes >= batchBytes) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), batchTime)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#lines.length === 0) return
    this.#send(`${this.#lines.join('\n')}\n`)
    this.#lines = []
    this.#bytes = 0
  }
}

import { setTimeout as sleep } from 'node:timers/promises'

/** Seconds. A registry that asks for more is not waited for: its 429 is the answer. */
const longest = 300
/** Seconds, for a 429 without Retry-After (RFC 6585, 4). */
const usual = 2

/** Waits as long as a registry asks: its limit holds for every request, so all of them wait. */
export class RateLimit {
  readonly #tell: (seconds: number) => void
  readonly #closed = new AbortController()
  /** On the clock of `performance.now()`. */
  #until = 0

  constructor(tell: (seconds: number) => void) {
    this.#tell = tell
  }

  /** Takes note of a 429. Returns false if the registry asks for more patience than there is. */
  note(retryAfter: string | string[] | undefined): boolean {
    const seconds = secondsOf(typeof retryAfter === 'string' ? retryAfter : undefined)
    if (seconds > longest) return false
    const until = performance.now() + seconds * 1000
    if (until > this.#until && seconds > 0) this.#tell(Math.ceil(seconds))
    this.#until = Math.max(this.#until, until)
    return true
  }

  /** Resolves when a request may be sent, or the connection is closed. */
  async turn(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      const left = this.#until - performance.now()
      if (left <= 0) return
      await sleep(left, undefined, { signal: this.#closed.signal }).catch(() => undefined)
    }
  }

  close(): void {
    this.#closed.abort()
  }
}

/** RFC 9110, 10.2.3: seconds, or a date. */
function secondsOf(text: string | undefined): number {
  if (text === undefined) return usual
  if (/^\d+$/.test(text.trim())) return Number(text)
  const date = Date.parse(text)
  return Number.isNaN(date) ? usual : Math.max(0, (date - Date.now()) / 1000)
}

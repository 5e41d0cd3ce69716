import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for parts of the server to confirm what they were sent, and knows which of them have not. */
export class Confirmations {
  /** What each part was sent last and has not confirmed. */
  readonly #owed = new Map<string, { isFailed: boolean }>()
  readonly #limit: number

  /** `limit`: milliseconds that a call of `of` waits. */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Those that have not confirmed what they were sent last. */
  get missing(): readonly string[] {
    return [...this.#owed.keys()]
  }

  /**
   * Resolves when the part has confirmed, or after the limit; at once for a part that is still busy with what it was sent
   * before, because it would hold the others back. Rejects if `send` fails in that time. What fails is never confirmed: it
   * has to be sent again.
   */
  async of(part: string, send: () => Promise<void>): Promise<void> {
    const isBusy = this.#owed.get(part)?.isFailed === false
    const timer = new AbortController()
    const late = sleep(isBusy ? 0 : this.#limit, undefined, { signal: timer.signal }).catch(() => undefined)
    try {
      await Promise.race([this.#tracked(part, send), late])
    } finally {
      timer.abort()
    }
  }

  /** For a part that is gone. */
  forget(part: string): void {
    this.#owed.delete(part)
  }

  async #tracked(part: string, send: () => Promise<void>): Promise<void> {
    const sent = { isFailed: false }
    this.#owed.set(part, sent)
    try {
      await send()
    } catch (error) {
      sent.isFailed = true
      throw error
    }
    if (this.#owed.get(part) === sent) this.#owed.delete(part)
  }
}

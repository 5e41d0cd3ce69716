import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresRunner } from './postgres-runner.ts'

/** Milliseconds between two signs of life, which also tell which uploads another request wants. */
const heartbeat = 500
/** Milliseconds between two tries for an upload that another request holds. */
const tries = { first: 20, most: 200 }

interface Held {
  readonly fence: number
  readonly onContested: () => void
}

/** The claims of one thread: each is in the row of its upload. */
export class UploadHolder {
  readonly #runner: PostgresRunner
  readonly #holder: string
  readonly #held = new Map<string, Held>()
  #timer: NodeJS.Timeout | undefined

  /** `holder` names the thread, and no thread before or after it. */
  constructor(parts: { readonly runner: PostgresRunner; readonly holder: string }) {
    this.#runner = parts.runner
    this.#holder = parts.holder
  }

  /** Waits until the upload is free. Resolves to the number of the claim; undefined: there is no such upload. */
  async claim(id: string, onContested: () => void): Promise<number | undefined> {
    for (let wait = tries.first; ; wait = Math.min(wait * 2, tries.most)) {
      const claimed = await this.#runner.runOwn('claimUpload', { id, holder: this.#holder })
      if (claimed === 'unknown') return undefined
      if (claimed !== 'busy') {
        this.#held.set(id, { fence: claimed, onContested })
        this.#timer ??= setInterval(() => void this.#beat(), heartbeat)
        return claimed
      }
      // A holder in this thread need not wait for the next sign of life.
      this.#held.get(id)?.onContested()
      await sleep(wait / 2 + (Math.random() * wait) / 2)
    }
  }

  async release(id: string, fence: number): Promise<void> {
    if (this.#held.get(id)?.fence === fence) this.#held.delete(id)
    if (this.#held.size === 0) this.close()
    await this.#runner.runOwn('releaseUpload', { id, holder: this.#holder, fence })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  async #beat(): Promise<void> {
    try {
      const contested = await this.#runner.runOwn('holdUploads', { holder: this.#holder })
      for (const id of contested) this.#held.get(id)?.onContested()
    } catch {
      // The server is away: if it stays away, the claims end.
    }
  }
}

import type { Health } from '../http/health-routes.ts'
import { reasonOf } from '../reason-of.ts'
import type { StorageEngine, WriteState } from '../storage/storage-engine.ts'

/** Milliseconds between two checks, and the longest that a write may wait for the disk. */
const interval = 5000

/**
 * Checks every 5 s whether a durable write succeeds, and keeps the result for all callers: no caller waits
 * for a disk that hangs, and recovery is noticed without a push.
 */
export class WriteWatch {
  readonly #storage: Pick<StorageEngine, 'probe'>
  readonly #onChange: (state: WriteState) => void
  readonly #timer: NodeJS.Timeout
  #state: WriteState = { health: { ok: false, reason: 'no write has been tried yet' }, freeBytes: Infinity }
  #look: { readonly since: number; readonly done: Promise<void> } | undefined

  /** Resolves after the first check, or when that check has waited 5 s for the disk. */
  static async start(parts: {
    readonly storage: Pick<StorageEngine, 'probe'>
    readonly onChange: (state: WriteState) => void
  }): Promise<WriteWatch> {
    const watch = new WriteWatch(parts)
    await watch.#first()
    return watch
  }

  private constructor(parts: Parameters<typeof WriteWatch.start>[0]) {
    this.#storage = parts.storage
    this.#onChange = parts.onChange
    this.#timer = setInterval(() => this.#tick(), interval)
  }

  get state(): WriteState {
    return this.#state
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #first(): Promise<void> {
    this.#tick()
    let timer: NodeJS.Timeout | undefined
    await Promise.race([this.#look?.done, new Promise((resolve) => (timer = setTimeout(resolve, interval)))])
    clearTimeout(timer)
    if (this.#look !== undefined) this.#tick()
  }

  #tick(): void {
    if (this.#look === undefined) {
      const done = this.#ask()
        .then((state) => this.#set(state))
        .finally(() => (this.#look = undefined))
      this.#look = { since: performance.now(), done }
      return
    }
    const seconds = Math.round((performance.now() - this.#look.since) / 1000)
    this.#set({
      ...this.#state,
      health: { ok: false, reason: `a write has waited for the disk for ${seconds} s` },
    })
  }

  async #ask(): Promise<WriteState> {
    try {
      return await this.#storage.probe()
    } catch (error) {
      return { ...this.#state, health: { ok: false, reason: reasonOf(error) } }
    }
  }

  #set(state: WriteState): void {
    const before = this.#state.health
    this.#state = state
    const reason = (health: Health): string | undefined => (health.ok ? undefined : health.reason)
    if (before.ok !== state.health.ok || reason(before) !== reason(state.health)) this.#onChange(state)
  }
}

import type { Clocks } from '../clocks.ts'
import type { Instant } from '../instant.ts'
import type { Log } from '../log.ts'
import { silenceLimit } from './policy-status.ts'

/** When a source of policies was last heard, and why it cannot be read. */
export class SourceContact {
  readonly #parts: { readonly clocks: Clocks; readonly log: Log; readonly source: { readonly name: string } }
  #away: string | undefined
  #heardAt: { readonly wall: Instant; readonly monotonic: number } | undefined

  constructor(parts: {
    readonly clocks: Clocks
    readonly log: Log
    readonly source: { readonly name: string }
  }) {
    this.#parts = parts
  }

  /** Why the source cannot be read; undefined: it can. */
  get away(): string | undefined {
    return this.#away
  }

  /** By the wall clock; undefined: the source was never heard. */
  get lastSync(): Instant | undefined {
    return this.#heardAt?.wall
  }

  get isSilent(): boolean {
    return (
      this.#heardAt === undefined || this.#parts.clocks.monotonic() - this.#heardAt.monotonic > silenceLimit
    )
  }

  hear(): void {
    const { clocks, log, source } = this.#parts
    if (this.#away !== undefined) log.info('policies can be read again', { source: source.name })
    this.#away = undefined
    this.#heardAt = { wall: clocks.wall(), monotonic: clocks.monotonic() }
  }

  leave(reason: string): void {
    const { log, source } = this.#parts
    if (this.#away !== reason) log.error('policies cannot be read', { source: source.name, reason })
    this.#away = reason
  }
}

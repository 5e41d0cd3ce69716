import { randomUUID } from 'node:crypto'
import type { MetadataStore } from '../metadata/metadata-store.ts'

const name = 'garbage'
const leaseTime = 60_000
const renewal = leaseTime / 3

export interface LeaseParts {
  readonly metadata: MetadataStore
  readonly clocks: { wall(): number }
  /** Names the process in the lease. */
  readonly holder: string
}

/**
 * The right to remove content, or to keep others from it: collections and backups have it one at a time, each by itself,
 * also two of one process. It is renewed in the background and wherever it is checked.
 */
export class GarbageLease {
  readonly #parts: LeaseParts
  readonly #holder: string
  readonly #lost = new AbortController()
  readonly #timer: NodeJS.Timeout
  #renewed: number

  /** Undefined when another has it. */
  static async take(parts: LeaseParts): Promise<GarbageLease | undefined> {
    const holder = `${parts.holder}-${randomUUID()}`
    const now = parts.clocks.wall()
    const taken = await parts.metadata.garbage.acquireLease({ name, holder, ttl: leaseTime, now })
    return taken ? new GarbageLease(parts, holder, now) : undefined
  }

  private constructor(parts: LeaseParts, holder: string, now: number) {
    this.#parts = parts
    this.#holder = holder
    this.#renewed = now
    // What fails now is tried again, and found by the next check.
    this.#timer = setInterval(() => void this.#renew().catch(() => undefined), renewal)
    this.#timer.unref()
  }

  /** Fires when it turns out to be lost: from then on somebody else may remove. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** To be called before every step that relies on it; cheap while it is young. Throws LeaseLost. */
  async check(): Promise<void> {
    this.#lost.signal.throwIfAborted()
    if (this.#parts.clocks.wall() - this.#renewed >= renewal) await this.confirm()
  }

  /** The same, asked of the store in any case. */
  async confirm(): Promise<void> {
    await this.#renew()
    this.#lost.signal.throwIfAborted()
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    await this.#parts.metadata.garbage.releaseLease({ name, holder: this.#holder })
  }

  async #renew(): Promise<void> {
    const { metadata, clocks } = this.#parts
    const now = clocks.wall()
    const lease = { name, holder: this.#holder, ttl: leaseTime, now }
    if (await metadata.garbage.renewLease(lease)) this.#renewed = now
    else this.#lost.abort(new LeaseLost())
  }
}

/** Another collection, or another server of the store, has taken over meanwhile. */
export class LeaseLost extends Error {
  constructor() {
    super('the lease on the garbage was lost: the process was held up for longer than it lasts')
    this.name = 'LeaseLost'
  }
}

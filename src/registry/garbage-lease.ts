import { randomUUID } from 'node:crypto'
import type { Lease } from '../metadata/garbage-store.ts'
import { LeaseLost } from '../metadata/lease-lost.ts'
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
 * The exclusive right to remove content, or to prevent its removal. Only one collection or backup holds it at
 * a time, also within one process. It is renewed in the background and by checks.
 */
export class GarbageLease {
  /** For the steps that may only be done under the lease: they look at it in their own transaction. */
  readonly held: Lease
  readonly #parts: LeaseParts
  readonly #lost = new AbortController()
  readonly #timer: NodeJS.Timeout
  #renewed: number

  /** Undefined: another collection or backup holds the lease. */
  static async take(parts: LeaseParts): Promise<GarbageLease | undefined> {
    const holder = `${parts.holder}-${randomUUID()}`
    const now = parts.clocks.wall()
    const taken = await parts.metadata.garbage.acquireLease({ name, holder, ttl: leaseTime, now })
    return taken ? new GarbageLease(parts, { name, holder }, now) : undefined
  }

  private constructor(parts: LeaseParts, held: Lease, now: number) {
    this.#parts = parts
    this.held = held
    this.#renewed = now
    // A renewal that fails is retried, and the next check reports the failure.
    this.#timer = setInterval(() => void this.#renew().catch(() => undefined), renewal)
    this.#timer.unref()
  }

  /** Fires when the lease turns out to be lost: from then on another holder may remove content. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Call it before every step that relies on the lease; cheap soon after a renewal. Throws LeaseLost. */
  async check(): Promise<void> {
    this.#lost.signal.throwIfAborted()
    if (this.#parts.clocks.wall() - this.#renewed >= renewal) await this.confirm()
  }

  /** The same, but always asks the store. */
  async confirm(): Promise<void> {
    await this.#renew()
    this.#lost.signal.throwIfAborted()
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    await this.#parts.metadata.garbage.releaseLease(this.held)
  }

  async #renew(): Promise<void> {
    const { metadata, clocks } = this.#parts
    const now = clocks.wall()
    const lease = { ...this.held, ttl: leaseTime, now }
    if (await metadata.garbage.renewLease(lease)) this.#renewed = now
    else this.#lost.abort(new LeaseLost())
  }
}

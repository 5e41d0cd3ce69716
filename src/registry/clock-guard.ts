import type { Clocks } from '../clocks.ts'
import type { GarbageStore, Lease } from '../metadata/garbage-store.ts'

/** Compares the wall clock with the monotonic clock; one for the life of a process. */
export class ClockWatch implements Clocks {
  readonly #clocks: Clocks
  #offset: number

  constructor(clocks: Clocks) {
    this.#clocks = clocks
    this.#offset = clocks.wall() - clocks.monotonic()
  }

  wall(): number {
    return this.#clocks.wall()
  }

  monotonic(): number {
    return this.#clocks.monotonic()
  }

  /** Takes `now` as the right time. */
  settle(now: number): void {
    this.#offset = now - this.#clocks.monotonic()
  }

  /** How far `now` has run ahead of what was right at the start or at `settle`, in milliseconds. */
  ahead(now: number): number {
    return now - (this.#clocks.monotonic() + this.#offset)
  }
}

/**
 * A clock that jumps forward, the engine's where it has one, would make all content old at once. A jump of more than
 * half a grace period against the monotonic clock, or of more than a whole one since the last collection, suspends deletion for
 * one grace period.
 */
export class ClockGuard {
  readonly #garbage: GarbageStore
  readonly #clocks: Clocks
  readonly #grace: number

  constructor(garbage: GarbageStore, clocks: Clocks, grace: number) {
    this.#garbage = garbage
    this.#clocks = clocks
    this.#grace = grace
  }

  /**
   * The instant until which deletion is suspended; undefined: deletion is allowed. With `record`, what was
   * observed is stored by the holder of that lease.
   */
  async check(record: Lease | undefined): Promise<number | undefined> {
    const now = await this.#garbage.time(this.#clocks.wall())
    const { seenAt, suspendedUntil } = await this.#garbage.notes()
    const ahead = this.#clocks instanceof ClockWatch ? this.#clocks.ahead(now) : 0
    const jumped = ahead > this.#grace / 2 || (seenAt !== undefined && now - seenAt > this.#grace)
    const backwards = seenAt !== undefined && now < seenAt
    let until = suspendedUntil !== undefined && suspendedUntil > now ? suspendedUntil : undefined
    // A suspension that ends later than one grace period from now was set by a wrong clock.
    if (until !== undefined && until > now + this.#grace) until = now + this.#grace
    if (jumped && until === undefined && !this.#served(seenAt, suspendedUntil)) until = now + this.#grace
    if (record === undefined) return until
    if (this.#clocks instanceof ClockWatch) this.#clocks.settle(now)
    const notes = { seenAt: backwards ? seenAt : now, suspendedUntil: until }
    await this.#garbage.note({ notes, lease: record })
    return until
  }

  /** Whether the suspension for the observed jump has already been waited out. */
  #served(seenAt: number | undefined, suspendedUntil: number | undefined): boolean {
    return suspendedUntil !== undefined && seenAt !== undefined && suspendedUntil >= seenAt
  }
}

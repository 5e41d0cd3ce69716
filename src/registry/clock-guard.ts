import type { Clocks } from '../clocks.ts'
import type { GarbageStore } from '../metadata/garbage-store.ts'

/** One for the life of a process: what the wall clock should say by the monotonic one. */
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

  /** From now on the wall clock is right. */
  settle(): void {
    this.#offset = this.#clocks.wall() - this.#clocks.monotonic()
  }

  /** How far the wall clock has run ahead since the start or `settle`, in milliseconds. */
  get ahead(): number {
    return this.#clocks.wall() - (this.#clocks.monotonic() + this.#offset)
  }
}

/**
 * A clock that jumps forward would make everything old at once. A jump of more than half of the grace period,
 * against the monotonic clock or against the last collection, suspends deletion for one grace period.
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

  /** Until when nothing may be deleted; undefined when it may. `record` writes down what was seen. */
  async check(record: boolean): Promise<number | undefined> {
    const now = this.#clocks.wall()
    const { seenAt, suspendedUntil } = await this.#garbage.clock()
    const ahead = this.#clocks instanceof ClockWatch ? this.#clocks.ahead : 0
    const jumped = ahead > this.#grace / 2 || (seenAt !== undefined && now - seenAt > this.#grace)
    const backwards = seenAt !== undefined && now < seenAt
    let until = suspendedUntil !== undefined && suspendedUntil > now ? suspendedUntil : undefined
    // A suspension that lies further ahead than one period was made by a clock that was wrong.
    if (until !== undefined && until > now + this.#grace) until = now + this.#grace
    if (jumped && until === undefined && !this.#served(seenAt, suspendedUntil)) until = now + this.#grace
    if (record && this.#clocks instanceof ClockWatch) this.#clocks.settle()
    if (record) await this.#garbage.recordClock({ seenAt: backwards ? seenAt : now, suspendedUntil: until })
    return until
  }

  /** The jump that was seen has been waited out already. */
  #served(seenAt: number | undefined, suspendedUntil: number | undefined): boolean {
    return suspendedUntil !== undefined && seenAt !== undefined && suspendedUntil >= seenAt
  }
}

import type { Clocks } from '../clocks.ts'
import { ExpiredExceptions, type ExpiredException } from './expired-exceptions.ts'
import type { KeptPolicies } from './kept-policies.ts'
import { PolicyClock } from './policy-clock.ts'
import type { GoodUnit, PolicyObject } from './unit-book.ts'

/** Milliseconds between two saves of the clock's floor, if no exception expires meanwhile. */
const keepInterval = 600_000

/**
 * Records which exceptions have expired. They stay expired after a restart and after a change of the clock.
 */
export class ExceptionEnds {
  readonly clock: PolicyClock
  readonly #kept: KeptPolicies
  readonly #expired: ExpiredExceptions
  readonly #clocks: Clocks
  #keptAt = -Infinity
  #isUnkept = true

  /**
   * Throws when the stored state cannot be read: without it an expired exception could become valid again.
   */
  constructor(kept: KeptPolicies, clocks: Clocks) {
    const known = kept.readClock()
    this.#kept = kept
    this.#clocks = clocks
    this.clock = new PolicyClock(clocks, known?.floor)
    this.#expired = new ExpiredExceptions(known?.expired)
  }

  isLive(object: PolicyObject): boolean {
    if (object.kind === 'TrowPolicy') return true
    return !this.#expired.has(ended(object)) && this.clock.now() < object.value.expires
  }

  /** The policies, and the exceptions that have not expired. */
  live(units: readonly GoodUnit[]): readonly PolicyObject[] {
    return units.flatMap(({ objects }) => objects).filter((object) => this.isLive(object))
  }

  /** Records exceptions that have expired. Returns whether any of them was not recorded before. */
  see(units: readonly GoodUnit[]): boolean {
    const now = this.clock.now()
    let isNew = false
    for (const object of units.flatMap(({ objects }) => objects)) {
      if (object.kind === 'TrowPolicy' || now < object.value.expires || this.#expired.has(ended(object)))
        continue
      this.#expired.add(ended(object))
      isNew = true
    }
    this.#isUnkept ||= isNew
    return isNew
  }

  /**
   * Writes the state to disk if it has changed or `keepInterval` has passed. Rejects when it cannot be
   * written; the next call tries again.
   */
  async keep(): Promise<void> {
    const now = this.#clocks.monotonic()
    if (!this.#isUnkept && now - this.#keptAt < keepInterval) return
    const { floor } = this.clock
    this.#isUnkept = false
    this.#keptAt = now
    try {
      await this.#kept.writeClock({ floor, expired: this.#expired.kept(floor) })
    } catch (error) {
      this.#isUnkept = true
      throw error
    }
  }
}

function ended({ value, hash }: Extract<PolicyObject, { kind: 'TrowException' }>): ExpiredException {
  return { name: value.name, expires: value.expires, hash }
}

import type { Clocks } from '../clocks.ts'
import type { Instant } from '../instant.ts'

/**
 * The clock by which exceptions expire. It does not go back when the wall clock does: it is at least the
 * start time plus the time that has passed since. The start time is at least the floor that an earlier
 * process stored.
 */
export class PolicyClock {
  readonly #clocks: Clocks
  readonly #started: number
  readonly #start: Instant
  readonly #firstFloor: Instant

  /** `floor`: stored by the previous process; undefined: there was none. */
  constructor(clocks: Clocks, floor: Instant | undefined) {
    const wall = clocks.wall()
    this.#clocks = clocks
    this.#started = clocks.monotonic()
    this.#start = Math.max(wall, floor ?? wall)
    this.#firstFloor = floor ?? wall
  }

  now(): Instant {
    return Math.max(this.#clocks.wall(), this.#start + this.#elapsed)
  }

  /**
   * A time that has certainly passed, to be stored for the next process. It advances only while a process
   * runs, so a wall clock that jumps ahead does not move it.
   */
  get floor(): Instant {
    return this.#firstFloor + this.#elapsed
  }

  /** Milliseconds by which it is ahead of the wall clock. */
  get ahead(): number {
    return this.now() - this.#clocks.wall()
  }

  get #elapsed(): number {
    return this.#clocks.monotonic() - this.#started
  }
}

import type { Clocks } from '../clocks.ts'
import type { Instant } from '../instant.ts'

/**
 * The time by which exceptions end. A wall clock that is set back does not bring it back: it is at least the time of the
 * start plus what has passed since. The time of the start is at least the floor that an earlier process kept.
 */
export class PolicyClock {
  readonly #clocks: Clocks
  readonly #started: number
  readonly #start: Instant
  readonly #firstFloor: Instant

  /** `floor`: that of the process before; undefined: there was none. */
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
   * A time that has certainly passed, for the next process. It grows only while a process runs, so that a wall clock that jumps
   * ahead does not move it.
   */
  get floor(): Instant {
    return this.#firstFloor + this.#elapsed
  }

  /** How far it is ahead of the wall clock, in milliseconds. */
  get ahead(): number {
    return this.now() - this.#clocks.wall()
  }

  get #elapsed(): number {
    return this.#clocks.monotonic() - this.#started
  }
}

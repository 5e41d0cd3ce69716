import type { Clocks } from '../clocks.ts'
import type { Instant } from '../instant.ts'
import { reasonOf } from '../reason-of.ts'
import { SharedRead } from '../shared-read.ts'
import type { PolicyDatabase, PolicyLook } from './policy-database.ts'

export interface LookListener {
  looked(look: PolicyLook): void
  away(reason: string): void
}

/** Milliseconds between two looks: a change is in force everywhere in less than a second. */
const pause = 250

/**
 * Looks at the database of a registry for what other processes have done to its policies, with one small question at a
 * time. Its clock is that of the database, by which exceptions end at the same time everywhere.
 */
export class PolicyPoll {
  readonly #database: Pick<PolicyDatabase, 'look'>
  readonly #clocks: Clocks
  readonly #listeners: LookListener[] = []
  /** Milliseconds by which the clock of the database is ahead of that of this process. */
  #ahead = 0
  #timer: NodeJS.Timeout | undefined
  readonly #looks = new SharedRead(() => this.#look())
  #isClosed = false

  constructor(parts: { readonly database: Pick<PolicyDatabase, 'look'>; readonly clocks: Clocks }) {
    this.#database = parts.database
    this.#clocks = parts.clocks
  }

  /** The wall clock is that of the database, as the last look has found it. */
  get clocks(): Clocks {
    return { wall: () => this.#clocks.wall() + this.#ahead, monotonic: () => this.#clocks.monotonic() }
  }

  listen(listener: LookListener): void {
    this.#listeners.push(listener)
  }

  /** Looks once, so that `clocks` is right, and then again and again. Never rejects. */
  async start(): Promise<void> {
    await this.look()
    this.#again()
  }

  /** Resolves after a look that began after the call. Never rejects. */
  look(): Promise<void> {
    return this.#looks.get()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    // Resolves after the look that is under way: a closed poll asks nothing more.
    await this.#looks.get()
  }

  #again(): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(() => void this.look().then(() => this.#again()), pause)
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return
    const asked = this.#clocks.monotonic()
    try {
      const look = await this.#database.look()
      const took = this.#clocks.monotonic() - asked
      this.#ahead = setAhead(this.#ahead, look.now + took / 2 - this.#clocks.wall(), took)
      for (const listener of this.#listeners) listener.looked(look)
    } catch (error) {
      for (const listener of this.#listeners) listener.away(reasonOf(error))
    }
  }
}

/** The time of an answer is known to half of what it took: a slow one does not change what is known better. */
function setAhead(known: Instant, seen: Instant, took: number): Instant {
  return Math.abs(seen - known) <= took / 2 ? known : seen
}

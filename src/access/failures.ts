import { Buckets } from './buckets.ts'
import { Latest } from './latest.ts'
import type { LoginSources } from './login-sources.ts'
import { networkOf } from './network.ts'
import type { SharedFailures } from './shared-failures.ts'

/**
 * Permission to try a credential, or the time to wait. An attempt counts as failed until it is known to have
 * succeeded.
 */
export type Attempt =
  | {
      readonly kind: 'go'
      succeeded(): void
      /** The credential was wrong. Resolves when other processes count it, too, or after a short time. */
      failed(): void | Promise<void>
      /** The credential could not be verified: the attempt is not counted. */
      undone(): void
    }
  | { readonly kind: 'wait'; readonly milliseconds: number }

interface Pair {
  readonly failures: number
  readonly until: number
  readonly at: number
}

const freeFailures = 3
const firstDelay = 1000
const longestDelay = 30_000
const forgetAfter = 15 * 60_000
/** For all names from one source, and for one name from all sources. */
const sourceLimit = { burst: 100, rate: 1 }
const nameLimit = { burst: 50, rate: 0.5 }
export const failureDrains = { source: sourceLimit.rate, user: nameLimit.rate } as const

/**
 * Delays after repeated failures, by name and source together: three failures are free, then 1 s, doubling to
 * 30 s, forgotten after a quarter of an hour. A client that guesses a name behind a proxy therefore delays no
 * other name there. One source that tries many names, or one name that many sources try, meets a far higher
 * limit of its own; that limit does not apply to a name from a source where it has succeeded lately. Memory
 * is bounded: the latest `capacity` of each kind are kept.
 *
 * Where several processes serve the registry, their failures count together: `learn` asks for those of the others.
 */
export class FailureDelays {
  readonly #now: () => number
  readonly #pairs: Latest<Pair>
  readonly #sources: Buckets
  readonly #names: Buckets
  readonly #known: Pick<LoginSources, 'knows' | 'saw' | 'learn'> | undefined
  readonly #shared: SharedFailures | undefined
  /** By pair: attempts of this process of whose outcome the others do not know yet. */
  readonly #trying: Latest<number>

  constructor(parts: {
    readonly now: () => number
    /** Undefined: earlier successes make no difference. */
    readonly known?: Pick<LoginSources, 'knows' | 'saw' | 'learn'>
    /** Undefined: no other process serves the registry. */
    readonly shared?: SharedFailures | undefined
    readonly capacity?: number
  }) {
    const { now, known, shared, capacity = 10_000 } = parts
    this.#now = now
    this.#known = known
    this.#shared = shared
    this.#pairs = new Latest(capacity)
    this.#trying = new Latest(capacity)
    this.#sources = new Buckets({ limit: sourceLimit, capacity, now })
    this.#names = new Buckets({ limit: nameLimit, capacity, now })
  }

  /**
   * Learns what other processes know of the name and the address; to be awaited before `begin`. Undefined: there is
   * nobody to ask.
   */
  learn(name: string, address: string): Promise<void> | undefined {
    return this.#shared && this.#learn(this.#shared, name, networkOf(address))
  }

  /** `address`: the client's. */
  begin(name: string, address: string): Attempt {
    const source = networkOf(address)
    const milliseconds = this.#wait(name, source)
    if (milliseconds > 0) return { kind: 'wait', milliseconds }
    const now = this.#now()
    const pair = pairKey(name, source)
    const before = this.#pair(pair)
    const failures = (before?.failures ?? 0) + 1
    this.#pairs.set(pair, pairAfter(failures, now))
    const counted = this.#known?.knows(name, source) !== true
    if (counted) {
      this.#sources.take(source)
      this.#names.take(name)
    }
    this.#tryingMore(pair, 1)
    const giveBack = (): void => {
      this.#tryingMore(pair, -1)
      if (!counted) return
      this.#sources.giveBack(source)
      this.#names.giveBack(name)
    }
    return {
      kind: 'go',
      succeeded: () => {
        this.#pairs.delete(pair)
        this.#known?.saw(name, source)
        giveBack()
        if (failures > 1) this.#shared?.clear(name, source)
      },
      failed: () => this.#shared?.add(name, source, !counted).then(() => this.#tryingMore(pair, -1)),
      undone: () => {
        const current = this.#pairs.get(pair)
        if (current !== undefined)
          this.#pairs.set(pair, { failures: current.failures - 1, until: now, at: now })
        giveBack()
      },
    }
  }

  /** Milliseconds that an attempt would have to wait; counts no attempt. */
  waiting(name: string, address: string): number {
    return this.#wait(name, networkOf(address))
  }

  /** Whether the name has succeeded from this network lately. */
  knows(name: string, address: string): boolean {
    return this.#known?.knows(name, networkOf(address)) === true
  }

  /** Records a success that needed no attempt. */
  saw(name: string, address: string): void {
    this.#known?.saw(name, networkOf(address))
  }

  async #learn(shared: SharedFailures, name: string, source: string): Promise<void> {
    const elsewhere = await shared.look(name, source)
    if (elsewhere === undefined) return
    if (elsewhere.seenAt !== undefined) this.#known?.learn(name, source, elsewhere.seenAt)
    this.#sources.atLeast(source, elsewhere.source)
    this.#names.atLeast(name, elsewhere.user)
    const { count = 0, age = Infinity } = elsewhere.pair ?? {}
    const key = pairKey(name, source)
    const trying = this.#trying.get(key) ?? 0
    if (count + trying === 0) return this.#pairs.delete(key)
    const own = trying > 0 ? this.#pair(key)?.at : undefined
    this.#pairs.set(key, pairAfter(count + trying, Math.max(this.#now() - age, own ?? 0)))
  }

  #tryingMore(pair: string, more: number): void {
    if (this.#shared === undefined) return
    const count = (this.#trying.get(pair) ?? 0) + more
    if (count > 0) this.#trying.set(pair, count)
    else this.#trying.delete(pair)
  }

  #wait(name: string, source: string): number {
    const ofPair = Math.max((this.#pair(pairKey(name, source))?.until ?? 0) - this.#now(), 0)
    if (this.#known?.knows(name, source) === true) return ofPair
    return Math.max(ofPair, this.#sources.wait(source), this.#names.wait(name))
  }

  #pair(key: string): Pair | undefined {
    const pair = this.#pairs.get(key)
    return pair === undefined || pair.at + forgetAfter < this.#now() ? undefined : pair
  }
}

/** `at`: when the last of the failures was. */
function pairAfter(failures: number, at: number): Pair {
  const delay =
    failures <= freeFailures ? 0 : Math.min(firstDelay * 2 ** (failures - freeFailures - 1), longestDelay)
  return { failures, until: at + delay, at }
}

function pairKey(name: string, source: string): string {
  return `${name}\n${source}`
}

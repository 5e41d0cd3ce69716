import { Buckets } from './buckets.ts'
import { Latest } from './latest.ts'
import type { LoginSources } from './login-sources.ts'
import { networkOf } from './network.ts'

/** Where a guesser is let go on, or how long to wait. An attempt counts as failed until it is known to have succeeded. */
export type Attempt =
  | {
      readonly kind: 'go'
      succeeded(): void
      /** Nobody could tell: as if it had not been made. */
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
/** For everybody behind one address, and for one name from anywhere. */
const sourceLimit = { burst: 100, rate: 1 }
const nameLimit = { burst: 50, rate: 0.5 }

/**
 * Delays of repeated failures, by name and source together: three are free, then 1 s, doubling to 30 s, forgotten
 * after a quarter of an hour. So whoever guesses behind a proxy locks out nobody else there. One source that goes
 * through many names, or one name that many sources guess, meets a far higher limit of its own, which is not for names
 * from where they have been used with success lately. What is remembered is bounded: of each kind the latest `capacity`.
 */
export class FailureDelays {
  readonly #now: () => number
  readonly #pairs: Latest<Pair>
  readonly #sources: Buckets
  readonly #names: Buckets
  readonly #known: Pick<LoginSources, 'knows' | 'saw'> | undefined

  constructor(parts: {
    readonly now: () => number
    /** Undefined: no address is better than another. */
    readonly known?: Pick<LoginSources, 'knows' | 'saw'>
    readonly capacity?: number
  }) {
    const { now, known, capacity = 10_000 } = parts
    this.#now = now
    this.#known = known
    this.#pairs = new Latest(capacity)
    this.#sources = new Buckets({ limit: sourceLimit, capacity, now })
    this.#names = new Buckets({ limit: nameLimit, capacity, now })
  }

  /** `source`: an address. */
  begin(name: string, address: string): Attempt {
    const source = networkOf(address)
    const milliseconds = this.#wait(name, source)
    if (milliseconds > 0) return { kind: 'wait', milliseconds }
    const now = this.#now()
    const pair = pairKey(name, source)
    const before = this.#pair(pair)
    const failures = (before?.failures ?? 0) + 1
    const delay =
      failures <= freeFailures ? 0 : Math.min(firstDelay * 2 ** (failures - freeFailures - 1), longestDelay)
    this.#pairs.set(pair, { failures, until: now + delay, at: now })
    const counted = this.#known?.knows(name, source) !== true
    if (counted) {
      this.#sources.take(source)
      this.#names.take(name)
    }
    const giveBack = (): void => {
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
      },
      undone: () => {
        const current = this.#pairs.get(pair)
        if (current !== undefined)
          this.#pairs.set(pair, { failures: current.failures - 1, until: now, at: now })
        giveBack()
      },
    }
  }

  /** Milliseconds that an attempt would have to wait; counts nothing. */
  waiting(name: string, address: string): number {
    return this.#wait(name, networkOf(address))
  }

  /** Whether the name was used from there with success lately. */
  knows(name: string, address: string): boolean {
    return this.#known?.knows(name, networkOf(address)) === true
  }

  /** A success that needed no attempt. */
  saw(name: string, address: string): void {
    this.#known?.saw(name, networkOf(address))
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

function pairKey(name: string, source: string): string {
  return `${name}\n${source}`
}

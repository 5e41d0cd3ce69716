import { isIPv6 } from 'node:net'

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

interface Bucket {
  readonly tokens: number
  readonly at: number
}

const freeFailures = 3
const firstDelay = 1000
const longestDelay = 30_000
const forgetAfter = 15 * 60_000
/** A burst, and then so many a second: for everybody behind one address, and for one name from anywhere. */
const sourceLimit = { burst: 100, rate: 1 }
const nameLimit = { burst: 50, rate: 0.5 }

/**
 * Delays of repeated failures, by name and source together: three are free, then 1 s, doubling to 30 s, forgotten
 * after a quarter of an hour. So whoever guesses behind a proxy locks out nobody else there. One source that goes
 * through many names, or one name that many sources guess, meets a far higher limit of its own. What is remembered
 * is bounded: of each kind the latest `capacity`.
 */
export class FailureDelays {
  readonly #now: () => number
  readonly #pairs: Latest<Pair>
  readonly #sources: Latest<Bucket>
  readonly #names: Latest<Bucket>

  constructor(parts: { readonly now: () => number; readonly capacity?: number }) {
    const { now, capacity = 10_000 } = parts
    this.#now = now
    this.#pairs = new Latest(capacity)
    this.#sources = new Latest(capacity)
    this.#names = new Latest(capacity)
  }

  /** `name`: undefined where none is claimed, as with a token. `source`: an address. */
  begin(name: string | undefined, address: string): Attempt {
    const source = networkOf(address)
    const milliseconds = this.#wait(name, source)
    if (milliseconds > 0) return { kind: 'wait', milliseconds }
    this.#take(this.#sources, source, sourceLimit)
    if (name === undefined) {
      const undone = (): void => this.#giveBack(this.#sources, source, sourceLimit)
      return { kind: 'go', succeeded: undone, undone }
    }
    const now = this.#now()
    const pair = pairKey(name, source)
    const before = this.#pair(pair)
    const failures = (before?.failures ?? 0) + 1
    const delay =
      failures <= freeFailures ? 0 : Math.min(firstDelay * 2 ** (failures - freeFailures - 1), longestDelay)
    this.#pairs.set(pair, { failures, until: now + delay, at: now })
    this.#take(this.#names, name, nameLimit)
    const giveBack = (): void => {
      this.#giveBack(this.#sources, source, sourceLimit)
      this.#giveBack(this.#names, name, nameLimit)
    }
    return {
      kind: 'go',
      succeeded: () => {
        this.#pairs.delete(pair)
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
  waiting(name: string | undefined, address: string): number {
    return this.#wait(name, networkOf(address))
  }

  #wait(name: string | undefined, source: string): number {
    const ofSource = this.#untilToken(this.#sources.get(source), sourceLimit)
    if (name === undefined) return ofSource
    const ofPair = (this.#pair(pairKey(name, source))?.until ?? 0) - this.#now()
    return Math.max(ofPair, ofSource, this.#untilToken(this.#names.get(name), nameLimit), 0)
  }

  #pair(key: string): Pair | undefined {
    const pair = this.#pairs.get(key)
    return pair === undefined || pair.at + forgetAfter < this.#now() ? undefined : pair
  }

  #untilToken(bucket: Bucket | undefined, limit: { burst: number; rate: number }): number {
    const tokens = this.#tokens(bucket, limit)
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / limit.rate) * 1000)
  }

  #tokens(bucket: Bucket | undefined, limit: { burst: number; rate: number }): number {
    if (bucket === undefined) return limit.burst
    const since = Math.max(this.#now() - bucket.at, 0)
    return Math.min(limit.burst, bucket.tokens + (since / 1000) * limit.rate)
  }

  #take(buckets: Latest<Bucket>, key: string, limit: { burst: number; rate: number }): void {
    buckets.set(key, { tokens: this.#tokens(buckets.get(key), limit) - 1, at: this.#now() })
  }

  #giveBack(buckets: Latest<Bucket>, key: string, limit: { burst: number; rate: number }): void {
    const bucket = buckets.get(key)
    if (bucket === undefined) return
    const tokens = this.#tokens(bucket, limit) + 1
    if (tokens >= limit.burst) buckets.delete(key)
    else buckets.set(key, { tokens, at: this.#now() })
  }
}

/** A map that forgets what was set least recently. */
class Latest<Value> {
  readonly #entries = new Map<string, Value>()
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)
  }

  set(key: string, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#capacity) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }
}

function pairKey(name: string, source: string): string {
  return `${name}\n${source}`
}

/** Whoever has one IPv6 address has its whole /64 (RFC 6177); an IPv4 address in IPv6 clothes is that address. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(8 - before.length - after.length, 0)
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

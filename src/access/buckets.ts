import { Latest } from './latest.ts'

/** `burst` tokens at once, then `rate` tokens a second. */
export interface BucketLimit {
  readonly burst: number
  readonly rate: number
}

interface Bucket {
  readonly tokens: number
  readonly at: number
}

/** Token buckets by key; the latest `capacity` are remembered. */
export class Buckets {
  readonly #limit: BucketLimit
  readonly #now: () => number
  readonly #buckets: Latest<Bucket>

  constructor(parts: {
    readonly limit: BucketLimit
    readonly capacity: number
    /** Milliseconds. */
    readonly now: () => number
  }) {
    this.#limit = parts.limit
    this.#now = parts.now
    this.#buckets = new Latest(parts.capacity)
  }

  /** Milliseconds until there is a token. */
  wait(key: string): number {
    const tokens = this.#tokens(key)
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / this.#limit.rate) * 1000)
  }

  take(key: string): void {
    this.#buckets.set(key, { tokens: this.#tokens(key) - 1, at: this.#now() })
  }

  giveBack(key: string): void {
    if (this.#buckets.get(key) === undefined) return
    const tokens = this.#tokens(key) + 1
    if (tokens >= this.#limit.burst) this.#buckets.delete(key)
    else this.#buckets.set(key, { tokens, at: this.#now() })
  }

  /** At least so many tokens of the key are taken. */
  atLeast(key: string, taken: number): void {
    if (this.#limit.burst - taken < this.#tokens(key))
      this.#buckets.set(key, { tokens: this.#limit.burst - taken, at: this.#now() })
  }

  #tokens(key: string): number {
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return this.#limit.burst
    const since = Math.max(this.#now() - bucket.at, 0)
    return Math.min(this.#limit.burst, bucket.tokens + (since / 1000) * this.#limit.rate)
  }
}

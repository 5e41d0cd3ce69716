/**
 * A map that drops entries which have not been used for long. It holds between `limit` and about twice
 * `limit`, counted in entries or by `weigh`. It has two halves: when the young one is full, it replaces the
 * old one. An entry that is read moves to the young half. Written here because requests wait for it: a hit is one
 * look-up without bookkeeping, and it grows with its entries, in each of many threads.
 */
export class RecentCache<Key, Value> {
  readonly #limit: number
  readonly #weigh: ((value: Value) => number) | undefined
  #young = new Map<Key, Value>()
  #old = new Map<Key, Value>()
  #weight = 0

  constructor(limit: number, weigh?: (value: Value) => number) {
    this.#limit = limit
    this.#weigh = weigh
  }

  get(key: Key): Value | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: Key, value: Value): void {
    const known = this.#young.get(key)
    if (known === undefined && this.#weight >= this.#limit) {
      this.#old = this.#young
      this.#young = new Map()
      this.#weight = 0
    }
    this.#weight += this.#weightOf(value) - (known === undefined ? 0 : this.#weightOf(known))
    this.#young.set(key, value)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
    this.#weight = 0
  }

  #weightOf(value: Value): number {
    return this.#weigh === undefined ? 1 : this.#weigh(value)
  }
}

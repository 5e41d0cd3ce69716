/**
 * A map of limited size whose entries expire. When it is full, the least recently used entry is dropped. Written
 * here because it grows with its entries: eight empty caches take 1 KiB, and 2.2 MB with lru-cache.
 */
export class ExpiringCache<Value> {
  readonly #entries = new Map<string, { readonly value: Value; readonly until: number }>()
  readonly #capacity: number
  readonly #now: () => number

  constructor(parts: { readonly capacity: number; readonly now: () => number }) {
    this.#capacity = parts.capacity
    this.#now = parts.now
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    if (entry.until <= this.#now()) return undefined
    this.#entries.set(key, entry)
    return entry.value
  }

  /** `until`: milliseconds since the epoch. */
  set(key: string, value: Value, until: number): void {
    this.#entries.delete(key)
    if (until <= this.#now()) return
    this.#entries.set(key, { value, until })
    if (this.#entries.size <= this.#capacity) return
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined) this.#entries.delete(oldest)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}

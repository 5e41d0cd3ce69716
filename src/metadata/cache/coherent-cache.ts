import { hashOf, isSettled, slotOf, type Generations } from './generations.ts'
import type { SharedCache, SharedValue } from './shared-cache.ts'

interface Stamp {
  readonly slot: number
  readonly generation: number
}

interface CacheEntry<Value> extends Stamp {
  readonly value: Value
  readonly bytes: number
}

interface Miss<Value> extends Stamp {
  readonly key: string
  readonly hash: number
  /** The key was requested recently, so this thread keeps the value too. */
  readonly wanted: boolean
  readonly size: (value: Value) => number
}

/** The cache shared by all threads, and how values of one kind are encoded in it. */
export interface SharedForm<Value> {
  readonly cache: SharedCache
  /** Distinguishes values of different kinds that have the same key. */
  readonly kind: number
  toShared(value: Value): SharedValue
  /** `key` is the key under which the entry was found. */
  fromShared(shared: SharedValue, key: string): Value
}

/** A value or undefined (no such value), now or as a promise. */
export type CachedValue<Value> = Value | undefined | Promise<Value | undefined>

/** Estimated bytes that an entry takes besides its value. */
const overhead = 300
const recentKeys = 4096

/**
 * Caches values for as long as their generation stays the same and the budget allows. There are two halves,
 * young and old: when the young half is full it becomes the old one, and an entry of the old half moves back
 * when it is used again. A hit in the young half costs one look-up and no bookkeeping, which no cache of a
 * library offers together with generations.
 *
 * The cache shared by all threads may stand behind it. That one holds far more, and every hit there costs a
 * copy. A value that was found there, or read, is kept here only if its key was requested recently:
 * long-lived objects that are used once cost more than they save.
 */
export class CoherentCache<Value> {
  readonly #generations: Generations
  readonly #half: number
  readonly #shared: SharedForm<Value> | undefined
  /** Hashes of the keys that were requested recently and not found here. */
  readonly #recent = new Int32Array(recentKeys)
  #young = new Map<string, CacheEntry<Value>>()
  #old = new Map<string, CacheEntry<Value>>()
  #youngBytes = 0

  constructor(generations: Generations, budget: number, shared?: SharedForm<Value>) {
    this.#generations = generations
    this.#half = budget / 2
    this.#shared = shared
  }

  /**
   * Returns the value under `key`, from the cache or by calling `read`. Undefined is not cached. `size` gives
   * a value's bytes. `generationKey` is the key that changes touch, where that is not `key` (pages of a
   * list).
   */
  get(
    key: string,
    read: () => CachedValue<Value>,
    size: (value: Value) => number,
    generationKey = key,
  ): CachedValue<Value> {
    const young = this.#young.get(key)
    if (young !== undefined && this.#holds(young)) return young.value
    const old = this.#old.get(key)
    if (old !== undefined && this.#holds(old)) {
      this.#old.delete(key)
      this.#keep(key, old)
      return old.value
    }
    const hash = hashOf(key)
    const wanted = this.#askedLately(hash) || this.#shared === undefined
    const found = this.#find(key, hash)
    if (found !== undefined) {
      if (wanted) this.#keep(key, { ...found, bytes: size(found.value) + overhead })
      return found.value
    }
    const slot = slotOf(generationKey === key ? hash : hashOf(generationKey))
    const miss = { key, hash, slot, generation: this.#generations.load(slot), wanted, size }
    const value = read()
    if (value instanceof Promise) return value.then((later) => this.#took(miss, later))
    return this.#took(miss, value)
  }

  /** Returns the value under `key` if the cache holds it, and reads nothing. */
  peek(key: string): Value | undefined {
    for (const half of [this.#young, this.#old]) {
      const entry = half.get(key)
      if (entry !== undefined && this.#holds(entry)) return entry.value
    }
    return this.#find(key, hashOf(key))?.value
  }

  #find(key: string, hash: number): (Stamp & { readonly value: Value }) | undefined {
    const shared = this.#shared
    if (shared === undefined || !this.#generations.isShared) return undefined
    const entry = shared.cache.get({ kind: shared.kind, key, hash })
    if (entry === undefined || !this.#holds(entry)) return undefined
    return { value: shared.fromShared(entry, key), slot: entry.slot, generation: entry.generation }
  }

  /**
   * The value is cached under the generation loaded before the read, so a change made during the read
   * invalidates it.
   */
  #took(
    { key, hash, slot, generation, wanted, size }: Miss<Value>,
    value: Value | undefined,
  ): Value | undefined {
    if (value === undefined) {
      this.#forget(key)
      return undefined
    }
    if (!isSettled(generation)) return value
    const shared = this.#shared
    if (shared !== undefined && this.#generations.isShared)
      shared.cache.put({ kind: shared.kind, key, hash }, { ...shared.toShared(value), slot, generation })
    if (wanted) this.#keep(key, { value, slot, generation, bytes: size(value) + overhead })
    return value
  }

  #holds({ slot, generation }: Stamp): boolean {
    return this.#generations.load(slot) === generation
  }

  #askedLately(hash: number): boolean {
    const place = hash & (recentKeys - 1)
    const lately = this.#recent[place] === hash
    this.#recent[place] = hash
    return lately
  }

  #keep(key: string, entry: CacheEntry<Value>): void {
    if (entry.bytes > this.#half / 4) return
    this.#youngBytes += entry.bytes - (this.#young.get(key)?.bytes ?? 0)
    this.#young.set(key, entry)
    if (this.#youngBytes <= this.#half) return
    this.#old = this.#young
    this.#young = new Map()
    this.#youngBytes = 0
  }

  #forget(key: string): void {
    this.#youngBytes -= this.#young.get(key)?.bytes ?? 0
    this.#young.delete(key)
    this.#old.delete(key)
  }
}

import { hashOf, isSettled, slotOf, type Generations } from './generations.ts'
import type { SharedCache, SharedValue } from './shared-cache.ts'

interface Stamp {
  readonly slot: number
  readonly generation: number
}

interface Entry<Value> extends Stamp {
  readonly value: Value
  readonly bytes: number
}

interface Miss<Value> extends Stamp {
  readonly key: string
  readonly hash: number
  /** It was asked for lately: then it is kept here too. */
  readonly wanted: boolean
  readonly size: (value: Value) => number
}

/** The cache of all threads, and how values of one kind stand in it. */
export interface SharedForm<Value> {
  readonly cache: SharedCache
  /** Keeps apart what has the same key. */
  readonly kind: number
  toShared(value: Value): SharedValue
  /** `key` is that of the entry. */
  fromShared(shared: SharedValue, key: string): Value
}

/** A value, or that there is none: now or later. */
export type Found<Value> = Value | undefined | Promise<Value | undefined>

/** What an entry takes beside its value. */
const overhead = 300
const recentKeys = 4096

/**
 * Keeps what was read as long as its generation holds and the budget lasts. Two halves, young and old: when the
 * young one is full it becomes the old one, and what is still wanted moves back. A hit among the young costs one
 * look-up and no bookkeeping.
 *
 * Behind it may stand the cache of all threads, which holds far more and costs a copy. What is found there, or read, is
 * kept here only when it was asked for lately: objects that live long and are asked for once cost more than they save.
 */
export class CoherentCache<Value> {
  readonly #generations: Generations
  readonly #half: number
  readonly #shared: SharedForm<Value> | undefined
  /** Hashes of the keys that were asked for lately and not found here. */
  readonly #recent = new Int32Array(recentKeys)
  #young = new Map<string, Entry<Value>>()
  #old = new Map<string, Entry<Value>>()
  #youngBytes = 0

  constructor(generations: Generations, budget: number, shared?: SharedForm<Value>) {
    this.#generations = generations
    this.#half = budget / 2
    this.#shared = shared
  }

  /**
   * The value under `key`, from the cache or by `read`; undefined is not kept. `size` tells bytes. `generationKey`
   * is what changes touch when the value is not theirs alone.
   */
  get(
    key: string,
    read: () => Found<Value>,
    size: (value: Value) => number,
    generationKey = key,
  ): Found<Value> {
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

  #find(key: string, hash: number): (Stamp & { readonly value: Value }) | undefined {
    const shared = this.#shared
    if (shared === undefined) return undefined
    const entry = shared.cache.get({ kind: shared.kind, key, hash })
    if (entry === undefined || !this.#holds(entry)) return undefined
    return { value: shared.fromShared(entry, key), slot: entry.slot, generation: entry.generation }
  }

  /** What was read is kept under the generation from before it was asked for, however long it took. */
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
    if (shared !== undefined)
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

  #keep(key: string, entry: Entry<Value>): void {
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

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

/** The cache of all threads, and how values of one kind stand in it. */
export interface SharedForm<Value> {
  readonly cache: SharedCache
  /** Keeps apart what has the same key. */
  readonly kind: number
  toShared(value: Value): SharedValue
  /** `key` is that of the entry. */
  fromShared(shared: SharedValue, key: string): Value
}

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
    read: () => Value | undefined,
    size: (value: Value) => number,
    generationKey = key,
  ): Value | undefined {
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
    const found = this.#find(key, hash) ?? this.#read(key, hash, { read, generationKey })
    if (found === undefined) return undefined
    if (wanted && isSettled(found.generation))
      this.#keep(key, { ...found, bytes: size(found.value) + overhead })
    return found.value
  }

  #find(key: string, hash: number): (Stamp & { readonly value: Value }) | undefined {
    const shared = this.#shared
    if (shared === undefined) return undefined
    const entry = shared.cache.get({ kind: shared.kind, key, hash })
    if (entry === undefined || !this.#holds(entry)) return undefined
    return { value: shared.fromShared(entry, key), slot: entry.slot, generation: entry.generation }
  }

  #read(
    key: string,
    hash: number,
    { read, generationKey }: { readonly read: () => Value | undefined; readonly generationKey: string },
  ): (Stamp & { readonly value: Value }) | undefined {
    const slot = slotOf(generationKey === key ? hash : hashOf(generationKey))
    const generation = this.#generations.load(slot)
    const value = read()
    if (value === undefined) {
      this.#forget(key)
      return undefined
    }
    const shared = this.#shared
    if (shared !== undefined && isSettled(generation)) {
      shared.cache.put({ kind: shared.kind, key, hash }, { ...shared.toShared(value), slot, generation })
    }
    return { value, slot, generation }
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

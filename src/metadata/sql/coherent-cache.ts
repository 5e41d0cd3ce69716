import { isSettled, slotOf, type Generations } from './generations.ts'

interface Entry<Value> {
  readonly value: Value
  readonly slot: number
  readonly generation: number
  readonly bytes: number
}

/**
 * Keeps what was read as long as its generation holds and the budget lasts. Two halves, young and old: when the
 * young one is full it becomes the old one, and what is still wanted moves back. A hit among the young costs one
 * look-up and no bookkeeping.
 */
export class CoherentCache<Value> {
  readonly #generations: Generations
  readonly #half: number
  #young = new Map<string, Entry<Value>>()
  #old = new Map<string, Entry<Value>>()
  #youngBytes = 0

  constructor(generations: Generations, budget: number) {
    this.#generations = generations
    this.#half = budget / 2
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
    const slot = slotOf(generationKey)
    const generation = this.#generations.load(slot)
    const value = read()
    if (value === undefined) this.#forget(key)
    else if (isSettled(generation)) this.#keep(key, { value, slot, generation, bytes: size(value) + 300 })
    return value
  }

  #holds(entry: Entry<Value>): boolean {
    return this.#generations.load(entry.slot) === entry.generation
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

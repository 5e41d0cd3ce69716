interface Entry<Value> {
  readonly value: Value
  readonly weight: number
}

/**
 * The values that were asked for lately, up to a weight. Two halves, young and old: when the young one is full it becomes the old
 * one, and what is still wanted moves back. A hit among the young is one look-up.
 */
export class BoundedCache<Value> {
  readonly #half: number
  #young = new Map<string, Entry<Value>>()
  #old = new Map<string, Entry<Value>>()
  #weight = 0

  constructor(limit: number) {
    this.#half = limit / 2
  }

  get(key: string): Value | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young.value
    const old = this.#old.get(key)
    if (old === undefined) return undefined
    this.#old.delete(key)
    this.#keep(key, old)
    return old.value
  }

  set(key: string, value: Value, weight = 1): void {
    this.#old.delete(key)
    this.#keep(key, { value, weight })
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
    this.#weight = 0
  }

  #keep(key: string, entry: Entry<Value>): void {
    this.#weight += entry.weight - (this.#young.get(key)?.weight ?? 0)
    this.#young.set(key, entry)
    if (this.#weight <= this.#half) return
    this.#old = this.#young
    this.#young = new Map()
    this.#weight = 0
  }
}

/**
 * Bytes that all threads together may hold of request bodies. Who finds it used up waits, in memory nothing but
 * the waiting.
 */
export class MemoryBudget {
  readonly buffer: SharedArrayBuffer
  readonly #free: Int32Array

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.#free = new Int32Array(buffer)
  }

  static create(bytes: number): MemoryBudget {
    const budget = new MemoryBudget(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
    Atomics.store(budget.#free, 0, bytes)
    return budget
  }

  /** The same budget in another thread. */
  static attach(buffer: SharedArrayBuffer): MemoryBudget {
    return new MemoryBudget(buffer)
  }

  /** Resolves once `bytes` are set aside; to be given back with `release`. */
  async acquire(bytes: number): Promise<void> {
    for (;;) {
      const free = Atomics.load(this.#free, 0)
      if (free >= bytes) {
        if (Atomics.compareExchange(this.#free, 0, free, free - bytes) === free) return
        continue
      }
      const waiting = Atomics.waitAsync(this.#free, 0, free, 1000)
      if (waiting.async) await waiting.value
    }
  }

  release(bytes: number): void {
    Atomics.add(this.#free, 0, bytes)
    Atomics.notify(this.#free, 0)
  }
}

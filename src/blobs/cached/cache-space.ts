/** Bytes that the cache of all threads takes, counted in shared memory. */
export class CacheSpace {
  readonly buffer: SharedArrayBuffer
  readonly limit: number
  readonly #counters: BigInt64Array

  /** `buffer`: that of another thread's CacheSpace. */
  constructor(limit: number, buffer = new SharedArrayBuffer(16)) {
    this.limit = limit
    this.buffer = buffer
    this.#counters = new BigInt64Array(buffer)
  }

  get used(): number {
    return Number(Atomics.load(this.#counters, 0))
  }

  /** False: so many bytes would not fit. */
  take(bytes: number): boolean {
    const before = Number(Atomics.add(this.#counters, 0, BigInt(bytes)))
    if (before + bytes <= this.limit) return true
    this.give(bytes)
    return false
  }

  give(bytes: number): void {
    Atomics.sub(this.#counters, 0, BigInt(bytes))
  }

  /** Runs the work unless a thread is doing so already. */
  async alone(work: () => Promise<void>): Promise<void> {
    if (Atomics.compareExchange(this.#counters, 1, 0n, 1n) !== 0n) return
    try {
      await work()
    } finally {
      Atomics.store(this.#counters, 1, 0n)
    }
  }
}

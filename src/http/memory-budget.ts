import { OciError } from '../oci/oci-error.ts'

const longestWait = 10_000

/**
 * Bytes that all threads together may hold of request bodies. Who finds it used up waits, in memory nothing but
 * the waiting. Each thread has a place of its own, so that what a thread held can be taken back when it dies.
 */
export class MemoryBudget {
  readonly buffer: SharedArrayBuffer
  /** What is free, then what each thread holds. */
  readonly #counts: Int32Array
  readonly #place: number

  private constructor(buffer: SharedArrayBuffer, place: number) {
    this.buffer = buffer
    this.#counts = new Int32Array(buffer)
    this.#place = place
  }

  static create(bytes: number, threads: number): MemoryBudget {
    const budget = new MemoryBudget(new SharedArrayBuffer((threads + 1) * Int32Array.BYTES_PER_ELEMENT), 0)
    Atomics.store(budget.#counts, 0, bytes)
    return budget
  }

  /** The same budget for the thread with this number, from 0. */
  static attach(buffer: SharedArrayBuffer, thread: number): MemoryBudget {
    return new MemoryBudget(buffer, thread + 1)
  }

  /** Resolves once `bytes` are set aside, to be given back with `release`. Throws OciError UNAVAILABLE after 10 s. */
  async acquire(bytes: number): Promise<void> {
    const deadline = performance.now() + longestWait
    for (;;) {
      const free = Atomics.load(this.#counts, 0)
      if (free >= bytes) {
        if (Atomics.compareExchange(this.#counts, 0, free, free - bytes) !== free) continue
        Atomics.add(this.#counts, this.#place, bytes)
        return
      }
      if (performance.now() > deadline) {
        throw new OciError('UNAVAILABLE', 'too many pushes at once', { detail: 'try again in a moment' })
      }
      const waiting = Atomics.waitAsync(this.#counts, 0, free, 1000)
      if (waiting.async) await waiting.value
    }
  }

  release(bytes: number): void {
    Atomics.sub(this.#counts, this.#place, bytes)
    this.#give(bytes)
  }

  /** Takes back what a thread held that is no more. */
  reclaim(thread: number): void {
    this.#give(Atomics.exchange(this.#counts, thread + 1, 0))
  }

  #give(bytes: number): void {
    Atomics.add(this.#counts, 0, bytes)
    Atomics.notify(this.#counts, 0)
  }
}

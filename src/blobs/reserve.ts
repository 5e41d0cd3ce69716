/** The bytes of a file system that stay free: one number for all threads of a process, which may change. */
export class Reserve {
  /** For another thread, which attaches to it. */
  readonly buffer: SharedArrayBuffer
  readonly #value: BigInt64Array

  static of(bytes: number): Reserve {
    const reserve = new Reserve(new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT))
    reserve.set(bytes)
    return reserve
  }

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.#value = new BigInt64Array(buffer)
  }

  get bytes(): number {
    return Number(Atomics.load(this.#value, 0))
  }

  /** In force at the next write of any thread. */
  set(bytes: number): void {
    Atomics.store(this.#value, 0, BigInt(Math.min(bytes, Number.MAX_SAFE_INTEGER)))
  }
}

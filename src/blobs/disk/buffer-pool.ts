const large = 256 * 1024
const small = 32 * 1024

/**
 * Reuses buffers. A buffer has 256 KiB while few are in use, and 32 KiB once half of `budget` bytes is in
 * use, so that many slow streams do not need much memory.
 */
export class BufferPool {
  readonly #mostLarge: number
  readonly #allocateLarge: (size: number) => Buffer
  readonly #free: Buffer[] = []
  #out = 0

  /** `allocateLarge` is called for at most half of `budget` bytes. */
  constructor(budget: number, allocateLarge: (size: number) => Buffer = Buffer.allocUnsafeSlow) {
    this.#mostLarge = budget / 2
    this.#allocateLarge = allocateLarge
  }

  take(): Buffer {
    const size = this.#out + large <= this.#mostLarge ? large : small
    this.#out += size
    if (size === small) return Buffer.allocUnsafeSlow(size)
    return this.#free.pop() ?? this.#allocateLarge(size)
  }

  give(buffer: Buffer): void {
    this.#out -= buffer.length
    if (buffer.length === large) this.#free.push(buffer)
  }
}

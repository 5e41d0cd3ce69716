const large = 256 * 1024
const small = 32 * 1024

/**
 * Buffers that are used again: 256 KiB while few are out, 32 KiB once half of `budget` bytes is out, so that
 * many slow streams stay flat.
 */
export class BufferPool {
  readonly #mostLarge: number
  readonly #allocateLarge: (size: number) => Buffer
  readonly #free: Buffer[] = []
  #out = 0

  /** `allocateLarge` is asked for at most half of `budget`. */
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

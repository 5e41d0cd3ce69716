const large = 256 * 1024
const small = 32 * 1024

/**
 * Buffers that are used again: 256 KiB while few are out, 32 KiB once half of `budget` bytes is out, so that
 * many slow streams stay flat.
 */
export class BufferPool {
  readonly #budget: number
  readonly #free: Buffer[] = []
  #out = 0

  constructor(budget: number) {
    this.#budget = budget
  }

  take(): Buffer {
    const size = this.#out + large <= this.#budget / 2 ? large : small
    this.#out += size
    return (size === large ? this.#free.pop() : undefined) ?? Buffer.allocUnsafeSlow(size)
  }

  give(buffer: Buffer): void {
    this.#out -= buffer.length
    if (buffer.length === large && this.#free.length * large < this.#budget / 4) this.#free.push(buffer)
  }
}

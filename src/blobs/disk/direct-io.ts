import fs from 'node:fs'
import { hasErrorCode, systemCall } from './system-calls.ts'

/**
 * Direct writes need offsets, lengths and memory that are multiples of this: the largest block size that file
 * systems require.
 */
export const directAlignment = 4096
const pageSize = 64 * 1024

declare const WebAssembly: {
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => {
    readonly buffer: ArrayBuffer
  }
}

/**
 * Bytes per millisecond. If a disk accepts less from one worker, the disk is the bottleneck and direct writes
 * gain nothing.
 */
const worthwhile = 150_000
/** The speed is measured over this many bytes. */
const measured = 32 * 2 ** 20
/** Milliseconds after which direct writes to a slow disk are tried again. */
const retry = 600_000

/**
 * Writes that bypass the page cache (open(2), O_DIRECT): large content is neither copied into the cache nor
 * written back from it. On a disk that writes 1.4 GB/s directly, writing and flushing through the cache
 * reached 370 MB/s. The first pull then reads from the disk; on a slow disk content therefore goes through
 * the cache, which keeps it for that pull. The buffers must come from AlignedMemory. Where the file system
 * does not support direct writes, normal writes are used without an error.
 */
export class DirectIo {
  #supported = fs.constants.O_DIRECT !== undefined
  #slowUntil = 0
  #underWay = 0
  #busySince = 0
  #busy = 0
  #bytes = 0

  /**
   * Opens a second descriptor of an existing file, for writing; undefined where direct writes are unsupported
   * or not worthwhile.
   */
  async open(path: string): Promise<number | undefined> {
    if (!this.worthwhile) return undefined
    try {
      const { O_WRONLY, O_DIRECT } = fs.constants
      return await systemCall<number>((done) => fs.open(path, O_WRONLY | O_DIRECT, done))
    } catch (error) {
      this.#refused(error)
      return undefined
    }
  }

  get worthwhile(): boolean {
    return this.#supported && performance.now() >= this.#slowUntil
  }

  /**
   * Returns how many of the first `length` bytes were written: all of them, or whole blocks; 0 if the write
   * was refused.
   */
  async write(fd: number, buffer: Buffer, length: number, position: number): Promise<number> {
    this.#begin()
    try {
      const written = await systemCall<number>((done) => fs.write(fd, buffer, 0, length, position, done))
      this.#bytes += written
      return written - (written % directAlignment)
    } catch (error) {
      this.#refused(error)
      return 0
    } finally {
      this.#end()
    }
  }

  /** Direct writes are not tried again if the file system does not support them. Throws any other error. */
  #refused(error: unknown): void {
    if (!hasErrorCode(error, 'EINVAL', 'EOPNOTSUPP', 'ENOTSUP')) throw error
    this.#supported = false
  }

  #begin(): void {
    if (this.#underWay++ === 0) this.#busySince = performance.now()
  }

  #end(): void {
    const now = performance.now()
    this.#busy += now - this.#busySince
    this.#busySince = now
    this.#underWay--
    if (this.#bytes < measured) return
    if (this.#bytes < this.#busy * worthwhile) this.#slowUntil = now + retry
    this.#bytes = 0
    this.#busy = 0
  }
}

/**
 * Memory that begins at a page boundary, which a Buffer's does not. The operating system allocates it as it
 * is used.
 */
export class AlignedMemory {
  readonly #memory: ArrayBuffer
  #used = 0

  constructor(bytes: number) {
    const pages = Math.ceil(bytes / pageSize)
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer
  }

  /** `size` must be a multiple of 4096. Throws when the memory is used up; allocations cannot be freed. */
  allocate(size: number): Buffer {
    if (this.#used + size > this.#memory.byteLength) throw new Error('the aligned memory is used up')
    const buffer = Buffer.from(this.#memory, this.#used, size)
    this.#used += size
    return buffer
  }
}

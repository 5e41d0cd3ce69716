import fs from 'node:fs'
import { hasErrorCode, systemCall } from './system-calls.ts'

/** Offsets, lengths and memory of direct writes are multiples of this, the largest block that file systems ask for. */
export const directAlignment = 4096
const pageSize = 64 * 1024

declare const WebAssembly: {
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => {
    readonly buffer: ArrayBuffer
  }
}

/** A disk that takes less from one worker, in bytes per millisecond, is waited for anyway. */
const worthwhile = 150_000
/** Bytes over which that is measured. */
const measured = 32 * 2 ** 20
/** Milliseconds until a disk that was slow is tried again. */
const retry = 600_000

/**
 * Writes past the page cache (open(2), O_DIRECT): of large content nothing is copied into it, and nothing has to be
 * written back from it. On a disk that writes 1.4 GB/s directly, written and flushed by way of the cache were 370 MB/s. Who
 * pulls first reads from the disk then; so a disk that is slow gets its content by way of the cache, which keeps it for
 * that. Needs memory of AlignedMemory. Where the file system has no direct writes, nobody notices.
 */
export class DirectIo {
  #supported = fs.constants.O_DIRECT !== undefined
  #slowUntil = 0
  #underWay = 0
  #busySince = 0
  #busy = 0
  #bytes = 0

  /** A second descriptor of a file that is there, for writing; undefined where that cannot be, or is not worth it. */
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

  /** How many of the first `length` bytes have been written, all of them or whole blocks; 0 where it was refused. */
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

  /** The file system wants no direct writes: they are not tried again. Throws any other error. */
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

/** Memory that begins at a page of the machine, which no Buffer does; taken as it is used. */
export class AlignedMemory {
  readonly #memory: ArrayBuffer
  #used = 0

  constructor(bytes: number) {
    const pages = Math.ceil(bytes / pageSize)
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer
  }

  /** `size`: a multiple of 4096. Throws when all is given; nothing is taken back. */
  allocate(size: number): Buffer {
    if (this.#used + size > this.#memory.byteLength) throw new Error('the aligned memory is used up')
    const buffer = Buffer.from(this.#memory, this.#used, size)
    this.#used += size
    return buffer
  }
}

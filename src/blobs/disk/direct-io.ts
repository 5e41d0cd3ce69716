import fs from 'node:fs'
import { hasErrorCode, systemCall } from './system-call.ts'

/** Offsets, lengths and memory of direct writes are multiples of this, the largest block that file systems ask for. */
export const directAlignment = 4096
const pageSize = 64 * 1024

declare const WebAssembly: {
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number }) => {
    readonly buffer: ArrayBuffer
  }
}

/**
 * Writes past the page cache (open(2), O_DIRECT): of large content nothing is copied into it, nothing has to be written
 * back from it, and what others read stays in it. On a disk that writes 1.4 GB/s directly, written and flushed by way of
 * the cache were 370 MB/s. Needs memory of AlignedMemory. Where the file system has none of it, nobody notices.
 */
export class DirectIo {
  #supported = fs.constants.O_DIRECT !== undefined

  /** A second descriptor of a file that is there, for writing; undefined where that cannot be. */
  async open(path: string): Promise<number | undefined> {
    if (!this.#supported) return undefined
    try {
      const { O_WRONLY, O_DIRECT } = fs.constants
      return await systemCall<number>((done) => fs.open(path, O_WRONLY | O_DIRECT, done))
    } catch (error) {
      if (!this.refused(error)) throw error
      return undefined
    }
  }

  /** Whether the error says that this file system wants no direct writes: then they are not tried again. */
  refused(error: unknown): boolean {
    if (!hasErrorCode(error, 'EINVAL', 'EOPNOTSUPP', 'ENOTSUP')) return false
    this.#supported = false
    return true
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

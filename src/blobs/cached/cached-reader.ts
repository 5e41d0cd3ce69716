import type { FileHandle } from 'node:fs/promises'
import type { ByteRange } from '../../oci/byte-range.ts'
import type { BlobReader, ByteSource } from '../blob-store.ts'
import type { Filling } from './filling.ts'

const bufferSize = 256 * 1024

export interface CachedReaderParts {
  readonly size: number
  readonly handle: FileHandle
  /** Undefined: the file is whole. */
  readonly filling: Filling | undefined
  /** Opens the blob where it is kept. */
  readonly origin: () => Promise<BlobReader | undefined>
}

/** Reads a file of the cache, which may still be growing. What it does not get is read from the origin. */
export class CachedReader implements BlobReader {
  readonly size: number
  readonly #parts: CachedReaderParts
  #isClosed = false

  constructor(parts: CachedReaderParts) {
    this.size = parts.size
    this.#parts = parts
  }

  stream(range: ByteRange = { start: 0, end: this.size - 1 }): ByteSource {
    if (this.#isClosed) throw new Error('the reader is closed')
    return this.#stream(range)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    // Waits for reads that run, after which their streams end.
    this.#parts.handle.close().catch(() => undefined)
  }

  async *#stream({ start, end }: ByteRange): ByteSource & AsyncGenerator<Uint8Array> {
    const { handle, filling } = this.#parts
    let at = start
    const buffer = Buffer.allocUnsafeSlow(Math.min(bufferSize, end - start + 1))
    while (at <= end && !this.#isClosed) {
      const there = filling === undefined ? this.size : await filling.beyond(at)
      if (this.#isClosed) return
      if (there === undefined) break
      const wanted = Math.min(buffer.length, end - at + 1, there - at)
      const { bytesRead } = await handle.read(buffer, 0, wanted, at)
      if (this.#isClosed) return
      if (bytesRead === 0) break
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
    if (at <= end && !this.#isClosed) yield* this.#rest({ start: at, end })
  }

  async *#rest(range: ByteRange): ByteSource & AsyncGenerator<Uint8Array> {
    const reader = await this.#parts.origin()
    if (reader === undefined) throw new Error('the bytes of a blob were removed while it was read')
    try {
      yield* reader.stream(range)
    } finally {
      reader.close()
    }
  }
}

import fs from 'node:fs'
import type { BufferPool } from './buffer-pool.ts'
import type { FreeSpace } from './free-space.ts'
import type { Gate } from './gate.ts'
import { systemCall } from './system-call.ts'

/** Bytes between two flushes in the background, so that the last one is short. */
const flushDistance = 8 * 2 ** 20

export interface StagedFileParts {
  readonly fd: number
  /** Where to append. */
  readonly size: number
  /** The file was changed already (cut) and needs a flush even if nothing follows. */
  readonly dirty: boolean
  readonly flushes: Gate
  readonly buffers: BufferPool
  readonly space: FreeSpace
}

/** Appends to one file: one buffer fills while another is written and, behind both, earlier bytes are flushed. */
export class StagedFile {
  readonly #parts: StagedFileParts
  #position: number
  #dirty: boolean
  #unflushed = 0
  #buffer: Buffer | undefined
  #fill = 0
  #writing: Promise<void> | undefined
  #flushing: Promise<void> | undefined

  constructor(parts: StagedFileParts) {
    this.#parts = parts
    this.#position = parts.size
    this.#dirty = parts.dirty
  }

  /** The chunk may be used again at once. Undefined: no need to wait. */
  append(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#buffer !== undefined && this.#fill + chunk.length < this.#buffer.length) {
      this.#buffer.set(chunk, this.#fill)
      this.#fill += chunk.length
      return undefined
    }
    return this.#appendParts(chunk)
  }

  /** Writes and flushes what is left. */
  async finish(): Promise<void> {
    await this.#startWriting()
    await this.#writing
    await this.#flushing
    if (this.#dirty) await this.#flush()
  }

  /** Waits until nothing is under way and closes; never throws. */
  async close(): Promise<void> {
    await Promise.allSettled([this.#writing])
    await Promise.allSettled([this.#flushing])
    if (this.#buffer !== undefined) this.#parts.buffers.give(this.#buffer)
    this.#buffer = undefined
    await Promise.allSettled([systemCall((done) => fs.close(this.#parts.fd, done))])
  }

  async #appendParts(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.length;) {
      this.#buffer ??= this.#parts.buffers.take()
      const part = chunk.subarray(offset, offset + this.#buffer.length - this.#fill)
      this.#buffer.set(part, this.#fill)
      this.#fill += part.length
      offset += part.length
      if (this.#fill === this.#buffer.length) await this.#startWriting()
    }
  }

  async #startWriting(): Promise<void> {
    await this.#writing
    const buffer = this.#buffer
    if (buffer === undefined) return
    this.#writing = this.#write(buffer, this.#fill)
    // Whoever appends or finishes next sees the error.
    this.#writing.catch(() => {})
    this.#buffer = undefined
    this.#fill = 0
  }

  async #write(buffer: Buffer, length: number): Promise<void> {
    try {
      for (let offset = 0; offset < length;) {
        const start = offset
        const written = await systemCall<number>((done) =>
          fs.write(this.#parts.fd, buffer, start, length - start, this.#position + start, done),
        )
        offset += written
      }
    } finally {
      this.#parts.buffers.give(buffer)
    }
    this.#position += length
    this.#parts.space.wrote(length)
    this.#unflushed += length
    this.#dirty = true
    if (this.#unflushed >= flushDistance && this.#flushing === undefined) await this.#flushBehind()
  }

  async #flushBehind(): Promise<void> {
    await this.#parts.space.demand()
    this.#flushing = this.#flush()
    this.#flushing.then(
      () => {
        this.#flushing = undefined
      },
      // Kept: `finish` throws it.
      () => {},
    )
  }

  #flush(): Promise<void> {
    this.#unflushed = 0
    this.#dirty = false
    return this.#parts.flushes.run(() => systemCall((done) => fs.fdatasync(this.#parts.fd, done)))
  }
}

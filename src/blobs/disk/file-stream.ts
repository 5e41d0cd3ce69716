import { counted } from '../../counted.ts'
import fs from 'node:fs'
import type { ByteRange } from '../../oci/byte-range.ts'
import type { BufferPool } from './buffer-pool.ts'
import { systemCall } from './system-calls.ts'

/**
 * Reads `range` of a file, one buffer ahead of the consumer. A chunk is valid until the next one is
 * requested. A file shorter than the range is an error, not a short stream.
 */
export class FileStream implements AsyncIterableIterator<Uint8Array> {
  readonly #fd: number
  readonly #buffers: BufferPool
  readonly #end: number
  #position: number
  #given: Buffer | undefined
  #reading: Promise<number> | undefined
  #target: Buffer | undefined
  #finished = false

  constructor(fd: number, range: ByteRange, buffers: BufferPool) {
    this.#fd = fd
    this.#buffers = buffers
    this.#position = range.start
    this.#end = range.end + 1
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** No read is running and none will start. */
  get finished(): boolean {
    return this.#finished && this.#target === undefined
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#given !== undefined) this.#buffers.give(this.#given)
    this.#given = undefined
    if (this.#finished || (this.#reading === undefined && this.#position >= this.#end)) {
      this.#finished = true
      return { done: true, value: undefined }
    }
    try {
      this.#startReading()
      const bytes = await this.#reading!
      const buffer = this.#target!
      this.#reading = undefined
      this.#target = undefined
      if (this.#finished) {
        this.#buffers.give(buffer)
        return { done: true, value: undefined }
      }
      this.#given = buffer
      if (bytes === 0)
        throw new Error(`stored content ends ${counted(this.#end - this.#position, 'byte')} too early`)
      this.#position += bytes
      if (this.#position < this.#end) this.#startReading()
      return { done: false, value: bytes === buffer.length ? buffer : buffer.subarray(0, bytes) }
    } catch (error) {
      await this.return()
      throw error
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#finished = true
    if (this.#given !== undefined) this.#buffers.give(this.#given)
    this.#given = undefined
    const target = this.#target
    if (target !== undefined) {
      // The kernel may still write into the buffer.
      await Promise.allSettled([this.#reading])
      if (this.#target === target) this.#buffers.give(target)
      this.#target = undefined
      this.#reading = undefined
    }
    return { done: true, value: undefined }
  }

  #startReading(): void {
    if (this.#reading !== undefined) return
    const buffer = this.#buffers.take()
    const length = Math.min(buffer.length, this.#end - this.#position)
    this.#target = buffer
    this.#reading = systemCall<number>((done) => fs.read(this.#fd, buffer, 0, length, this.#position, done))
    this.#reading.catch(() => {})
  }
}

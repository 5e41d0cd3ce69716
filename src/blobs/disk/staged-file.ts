import fs from 'node:fs'
import type { BufferPool } from './buffer-pool.ts'
import { directAlignment, type DirectIo } from './direct-io.ts'
import type { FreeSpace } from './free-space.ts'
import type { Semaphore } from './semaphore.ts'
import { systemCall } from './system-calls.ts'

/** Bytes between two checks of the free space, and between two background flushes. */
const flushDistance = 8 * 2 ** 20
/** Smallest write that is worth writing directly. */
const directLeast = 64 * 1024
/**
 * Concurrent direct writes. Smaller buffers are written one at a time: the page cache accepts them at once,
 * and many slow streams must not hold many buffers.
 */
const directAtOnce = 2

export interface StagedFileParts {
  readonly path: string
  readonly fd: number
  /** The offset at which to append. */
  readonly size: number
  /** The file has been cut and needs a flush even if nothing is appended. */
  readonly dirty: boolean
  readonly flushes: Semaphore
  readonly buffers: BufferPool
  readonly direct: DirectIo
  readonly space: FreeSpace
}

/**
 * Appends to one file: one buffer fills while others are written. Full large buffers are written directly to
 * the disk (DirectIo); the rest goes through the page cache, which is flushed in the background so that the
 * last flush is short.
 */
export class StagedFile {
  readonly #parts: StagedFileParts
  readonly #writing: Promise<void>[] = []
  #position: number
  #dirty: boolean
  #unchecked = 0
  #unflushed = 0
  #buffer: Buffer | undefined
  #fill = 0
  #direct: Promise<number | undefined> | undefined
  #flushing: Promise<void> | undefined

  constructor(parts: StagedFileParts) {
    this.#parts = parts
    this.#position = parts.size
    this.#dirty = parts.dirty
  }

  /**
   * Copies the chunk, which the caller may reuse as soon as this returns or resolves. Undefined: no need to
   * wait.
   */
  append(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#buffer !== undefined && this.#fill + chunk.length < this.#buffer.length) {
      this.#buffer.set(chunk, this.#fill)
      this.#fill += chunk.length
      return undefined
    }
    return this.#appendParts(chunk)
  }

  /** Writes and flushes the remaining bytes. */
  async finish(): Promise<void> {
    this.#startWriting()
    await Promise.all(this.#writing)
    await this.#flushing
    if (this.#dirty) await this.#flush()
  }

  /** Waits until no write or flush is running, then closes the file. Never throws. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#writing)
    await Promise.allSettled([this.#flushing])
    if (this.#buffer !== undefined) this.#parts.buffers.give(this.#buffer)
    this.#buffer = undefined
    const [direct] = await Promise.allSettled([this.#direct])
    const opened = direct.status === 'fulfilled' && direct.value !== undefined ? [direct.value] : []
    const close = (fd: number): Promise<void> => systemCall((done) => fs.close(fd, done))
    await Promise.allSettled([this.#parts.fd, ...opened].map(close))
  }

  async #appendParts(chunk: Uint8Array): Promise<void> {
    for (let offset = 0; offset < chunk.length;) {
      this.#buffer ??= this.#parts.buffers.take()
      const part = chunk.subarray(offset, offset + this.#buffer.length - this.#fill)
      this.#buffer.set(part, this.#fill)
      this.#fill += part.length
      offset += part.length
      if (this.#fill < this.#buffer.length) continue
      // Waits for earlier writes, so that their errors reach the caller of `append`.
      const atOnce = this.#buffer.length < directLeast ? 1 : directAtOnce
      while (this.#writing.length >= atOnce) await this.#writing[0]
      this.#startWriting()
      if (this.#unchecked >= flushDistance) await this.#lookAround()
    }
  }

  #startWriting(): void {
    const buffer = this.#buffer
    if (buffer === undefined) return
    const writing = this.#write(buffer, this.#fill, this.#position)
    this.#position += this.#fill
    this.#unchecked += this.#fill
    this.#buffer = undefined
    this.#fill = 0
    this.#writing.push(writing)
    writing.then(
      () => void this.#writing.splice(this.#writing.indexOf(writing), 1),
      // The rejected promise stays in the list: the next `append` or `finish` throws its error.
      () => {},
    )
  }

  async #write(buffer: Buffer, length: number, position: number): Promise<void> {
    try {
      const direct = await this.#writeDirectly(buffer, length, position)
      await writeAll(this.#parts.fd, buffer, { start: direct, end: length, position })
      this.#unflushed += length - direct
      // Set after the write: a flush that began meanwhile has not flushed these bytes.
      this.#dirty = true
      this.#parts.space.wrote(length)
    } finally {
      this.#parts.buffers.give(buffer)
    }
  }

  /** Returns how many of the first bytes were written directly. */
  async #writeDirectly(buffer: Buffer, length: number, position: number): Promise<number> {
    const end = length - (length % directAlignment)
    if (position % directAlignment !== 0 || end < directLeast) return 0
    const { direct, path } = this.#parts
    if (!direct.worthwhile) return 0
    const fd = await (this.#direct ??= direct.open(path))
    return fd === undefined ? 0 : direct.write(fd, buffer, end, position)
  }

  async #lookAround(): Promise<void> {
    this.#unchecked = 0
    await this.#parts.space.demand()
    if (this.#unflushed < flushDistance || this.#flushing !== undefined) return
    this.#flushing = this.#flush()
    this.#flushing.then(
      () => {
        this.#flushing = undefined
      },
      // The rejected promise stays: `finish` throws its error.
      () => {},
    )
  }

  #flush(): Promise<void> {
    this.#unflushed = 0
    this.#dirty = false
    return this.#parts.flushes.run(() => systemCall((done) => fs.fdatasync(this.#parts.fd, done)))
  }
}

/** Writes buffer[start, end). The buffer's byte 0 belongs at `position` in the file. */
async function writeAll(
  fd: number,
  buffer: Buffer,
  { start, end, position }: { readonly start: number; readonly end: number; readonly position: number },
): Promise<void> {
  for (let offset = start; offset < end;) {
    const from = offset
    offset += await systemCall<number>((done) =>
      fs.write(fd, buffer, from, end - from, position + from, done),
    )
  }
}

import type { ByteRange } from '../../oci/byte-range.ts'
import type { BlobReader, ByteSource } from '../blob-store.ts'
import type { BufferPool } from './buffer-pool.ts'
import { FileStream } from './file-stream.ts'
import type { OpenFile, OpenFiles } from './open-files.ts'

/** Reads a stored object through a descriptor that other readers may share. */
export class FileReader implements BlobReader {
  readonly #file: OpenFile
  readonly #files: OpenFiles
  readonly #buffers: BufferPool
  readonly #streams: FileStream[] = []
  #open = true

  constructor(file: OpenFile, files: OpenFiles, buffers: BufferPool) {
    this.#file = file
    this.#files = files
    this.#buffers = buffers
  }

  get size(): number {
    return this.#file.size
  }

  stream(range: ByteRange = { start: 0, end: this.#file.size - 1 }): ByteSource {
    if (!this.#open) throw new Error('the reader is closed')
    const stream = new FileStream(this.#file.fd, range, this.#buffers)
    this.#streams.push(stream)
    return stream
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    const unfinished = this.#streams.filter((stream) => !stream.finished)
    if (unfinished.length === 0) this.#files.release(this.#file)
    // A descriptor closed during a read might belong to another file by the time of the read.
    else
      void Promise.all(unfinished.map((stream) => stream.return())).then(() =>
        this.#files.release(this.#file),
      )
  }
}

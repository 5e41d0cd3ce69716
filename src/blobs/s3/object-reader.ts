import type { ByteRange } from '../../oci/byte-range.ts'
import type { BlobReader, ByteSource } from '../blob-store.ts'

/** Opens a stream of a range; `undefined`: all of it. It ends when the signal fires. */
type StreamOpener = (range: ByteRange | undefined, signal: AbortSignal) => ByteSource

/** Reads stored bytes by way of requests. */
export class ObjectReader implements BlobReader {
  readonly size: number
  readonly #open: StreamOpener
  readonly #dropUnread: () => void
  readonly #closed = new AbortController()

  /** `dropUnread` frees an answer that nobody has read. */
  constructor(size: number, open: StreamOpener, dropUnread: () => void = () => undefined) {
    this.size = size
    this.#open = open
    this.#dropUnread = dropUnread
  }

  stream(range?: ByteRange): ByteSource {
    if (this.#closed.signal.aborted) throw new Error('the reader is closed')
    return untilClosed(this.#open(range, this.#closed.signal), this.#closed.signal)
  }

  close(): void {
    if (this.#closed.signal.aborted) return
    this.#closed.abort()
    this.#dropUnread()
  }
}

/** Ends without an error when the reader is closed. */
async function* untilClosed(
  source: ByteSource,
  closed: AbortSignal,
): ByteSource & AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of source) {
      if (closed.aborted) return
      yield chunk
      if (closed.aborted) return
    }
  } catch (error) {
    if (!closed.aborted) throw error
  }
}

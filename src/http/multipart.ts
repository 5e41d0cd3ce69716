import { randomUUID } from 'node:crypto'
import type { ByteSource } from '../blobs/blob-store.ts'
import type { ByteRange } from '../oci/byte-range.ts'

export interface PartsOf {
  readonly mediaType: string
  /** Bytes of the whole content. */
  readonly size: number
  stream(range: ByteRange): ByteSource
}

/**
 * Several ranges of one content as `multipart/byteranges`, each with its own Content-Range (RFC 9110, 14.6).
 * The boundary is random for each reply, so no content can be made to contain it. The headers of the parts
 * are generated while they are sent.
 */
export function multipart(
  content: PartsOf,
  ranges: readonly ByteRange[],
): { readonly contentType: string; readonly length: number; stream(): ByteSource } {
  const boundary = randomUUID()
  const head = (range: ByteRange): string =>
    `\r\n--${boundary}\r\nContent-Type: ${content.mediaType}\r\nContent-Range: ${contentRange(range, content.size)}\r\n\r\n`
  const tail = `\r\n--${boundary}--\r\n`
  let length = tail.length
  for (const range of ranges) length += head(range).length + lengthOf(range)
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    length,
    async *stream() {
      for (const range of ranges) {
        yield Buffer.from(head(range), 'latin1')
        yield* content.stream(range)
      }
      yield Buffer.from(tail, 'latin1')
    },
  }
}

export function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`
}

export function lengthOf({ start, end }: ByteRange): number {
  return end - start + 1
}

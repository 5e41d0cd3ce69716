import type { ByteSource } from '../blobs/blob-store.ts'
import type { ByteRange } from '../oci/byte-range.ts'
import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { BlobStat, OpenBlob, Registry } from '../registry/registry.ts'
import { entityTag, matchesEntity, rangeApplies } from './conditions.ts'
import { parseRange } from './range.ts'
import { noteOf } from './caller.ts'
import type { RegistryRequest } from './registry-request.ts'
import type { FlatHeaders, Reply } from './reply.ts'
import { route, type Route } from './route.ts'

const year = 'max-age=31536000, immutable'
const boundary = 'trow-byte-range'

export function blobRoutes({ blobs }: Registry): Route[] {
  return [
    route(['GET'], '/v2/<name>/blobs/<digest>', 'pull', async (request, { name, digest }) => {
      const blob = await blobs.open(name, digest)
      return blob === undefined ? blobUnknown(digest) : getReply(request, blob)
    }),
    route(['HEAD'], '/v2/<name>/blobs/<digest>', 'pull', async (request, { name, digest }) => {
      const blob = await blobs.stat(name, digest)
      return blob === undefined ? blobUnknown(digest) : headReply(request, blob)
    }),
    route(['DELETE'], '/v2/<name>/blobs/<digest>', 'delete', async (request, { name, digest }) => {
      const note = noteOf(request, { action: 'delete', repository: name, reference: digest, status: 202 })
      if (await blobs.remove(name, digest, note)) return { status: 202, headers: [] }
      return blobUnknown(digest)
    }),
  ]
}

function blobUnknown(digest: Digest): never {
  throw new OciError('BLOB_UNKNOWN', 'the blob is not in this repository', { detail: { digest } })
}

function headReply(request: RegistryRequest, blob: BlobStat): Reply {
  const etag = entityTag(blob.digest)
  if (matchesEntity(request.header('if-none-match'), etag))
    return { status: 304, headers: blobHeaders(blob, etag) }
  const headers = blobHeaders(blob, etag)
  headers.push('Content-Type', blob.mediaType)
  return { status: 200, headers, length: blob.size }
}

function getReply(request: RegistryRequest, blob: OpenBlob): Reply {
  const etag = entityTag(blob.digest)
  const headers = blobHeaders(blob, etag)
  if (matchesEntity(request.header('if-none-match'), etag)) {
    blob.close()
    return { status: 304, headers }
  }
  const range = request.header('range')
  const ranges =
    range === undefined || !rangeApplies(request.header('if-range'), etag)
      ? undefined
      : parseRange(range, blob.size)
  if (ranges === undefined) {
    headers.push('Content-Type', blob.mediaType)
    return { status: 200, headers, body: blob.bytes ?? streamed(blob, blob.size, () => blob.stream()) }
  }
  const [first] = ranges
  if (first === undefined) {
    blob.close()
    throw new OciError('RANGE_INVALID', 'the range cannot be satisfied', {
      detail: `the blob has ${blob.size} bytes`,
      headers: { 'Content-Range': `bytes */${blob.size}` },
    })
  }
  if (ranges.length > 1) return multipart(blob, ranges, headers)
  headers.push('Content-Type', blob.mediaType, 'Content-Range', contentRange(first, blob.size))
  if (blob.bytes !== undefined) {
    return { status: 206, headers, body: blob.bytes.subarray(first.start, first.end + 1) }
  }
  return { status: 206, headers, body: streamed(blob, lengthOf(first), () => blob.stream(first)) }
}

function blobHeaders(blob: BlobStat, etag: string): FlatHeaders {
  return ['Docker-Content-Digest', blob.digest, 'Accept-Ranges', 'bytes', 'ETag', etag, 'Cache-Control', year]
}

/** RFC 9110, 14.6: each part with its own Content-Range. */
function multipart(blob: OpenBlob, ranges: readonly ByteRange[], headers: FlatHeaders): Reply {
  const parts = ranges.map((range) => ({
    range,
    head: Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: ${blob.mediaType}\r\nContent-Range: ${contentRange(range, blob.size)}\r\n\r\n`,
    ),
  }))
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  const length = parts.reduce(
    (sum, { range, head }) => sum + head.byteLength + lengthOf(range),
    tail.byteLength,
  )
  headers.push('Content-Type', `multipart/byteranges; boundary=${boundary}`)
  async function* content(): AsyncGenerator<Uint8Array> {
    for (const { range, head } of parts) {
      yield head
      yield* blob.stream(range)
    }
    yield tail
  }
  return { status: 206, headers, body: streamed(blob, length, content) }
}

function streamed(blob: OpenBlob, length: number, stream: () => ByteSource): Reply['body'] {
  return { length, stream, close: () => blob.close() }
}

function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`
}

function lengthOf({ start, end }: ByteRange): number {
  return end - start + 1
}

import { counted } from '../counted.ts'
import type { ByteSource } from '../blobs/blob-store.ts'
import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { BlobStat, OpenBlob, Registry } from '../registry/registry.ts'
import { entityTag, matchesEntity, rangeApplies } from './conditions.ts'
import { contentRange, lengthOf, multipart } from './multipart.ts'
import { parseRange } from './range.ts'
import type { ServerRequest } from './server-request.ts'
import type { FlatHeaders, Reply } from './reply.ts'
import { route, type Route } from './route.ts'
import { markStale } from './stale-reply.ts'

const year = 'max-age=31536000, immutable'

export function blobRoutes({ blobs }: Registry): Route[] {
  return [
    route(['GET'], '/v2/<name>/blobs/<digest>', 'pull', async (request, { name, digest }) => {
      const blob = await blobs.open(request.requester, name, digest)
      return blob === undefined ? blobUnknown(digest) : getReply(request, blob)
    }),
    route(['HEAD'], '/v2/<name>/blobs/<digest>', 'pull', async (request, { name, digest }) => {
      const blob = await blobs.stat(request.requester, name, digest)
      return blob === undefined ? blobUnknown(digest) : headReply(request, blob)
    }),
    route(['DELETE'], '/v2/<name>/blobs/<digest>', 'delete', async (request, { name, digest }) => {
      if (await blobs.remove(request.requester, name, digest)) return { status: 202, headers: [] }
      return blobUnknown(digest)
    }),
  ]
}

function blobUnknown(digest: Digest): never {
  throw new OciError('BLOB_UNKNOWN', 'the blob is not in this repository', { detail: { digest } })
}

function headReply(request: ServerRequest, blob: BlobStat): Reply {
  const etag = entityTag(blob.digest)
  if (matchesEntity(request.header('if-none-match'), etag))
    return { status: 304, headers: blobHeaders(blob, etag) }
  const headers = blobHeaders(blob, etag)
  headers.push('Content-Type', blob.mediaType)
  return { status: 200, headers, length: blob.size }
}

function getReply(request: ServerRequest, blob: OpenBlob): Reply {
  const etag = entityTag(blob.digest)
  const headers = blobHeaders(blob, etag)
  if (matchesEntity(request.header('if-none-match'), etag)) {
    blob.close()
    return { status: 304, headers }
  }
  if (blob.location !== undefined) {
    blob.close()
    // The client sends its Range there too. The URL expires, so nobody may keep this reply.
    const found: FlatHeaders = ['Docker-Content-Digest', blob.digest, 'Cache-Control', 'no-store']
    return { status: 307, headers: [...found, 'Location', blob.location] }
  }
  const range = request.header('range')
  const ranges =
    range === undefined || !rangeApplies(request.header('if-range'), etag) ? undefined : rangesOf(blob, range)
  if (ranges === undefined) {
    headers.push('Content-Type', blob.mediaType)
    const body = blob.bytes ?? streamed(blob, blob.size, () => blob.stream())
    return { status: 200, headers, body, digest: blob.digest }
  }
  const [first] = ranges
  if (first === undefined) {
    blob.close()
    throw new OciError('RANGE_INVALID', 'the range cannot be satisfied', {
      detail: `the blob has ${counted(blob.size, 'byte')}`,
      headers: { 'Content-Range': `bytes */${blob.size}` },
    })
  }
  if (ranges.length > 1) {
    const { contentType, length, stream } = multipart(blob, ranges)
    headers.push('Content-Type', contentType)
    return { status: 206, headers, body: streamed(blob, length, stream) }
  }
  headers.push('Content-Type', blob.mediaType, 'Content-Range', contentRange(first, blob.size))
  if (blob.bytes !== undefined) {
    return { status: 206, headers, body: blob.bytes.subarray(first.start, first.end + 1) }
  }
  return { status: 206, headers, body: streamed(blob, lengthOf(first), () => blob.stream(first)) }
}

function rangesOf(blob: OpenBlob, header: string): ReturnType<typeof parseRange> {
  try {
    return parseRange(header, blob.size)
  } catch (error) {
    blob.close()
    throw error
  }
}

function blobHeaders(blob: BlobStat, etag: string): FlatHeaders {
  const headers = [
    'Docker-Content-Digest',
    blob.digest,
    'Accept-Ranges',
    'bytes',
    'ETag',
    etag,
    'Cache-Control',
    year,
  ]
  markStale(headers, blob)
  return headers
}

function streamed(blob: OpenBlob, length: number, stream: () => ByteSource): Reply['body'] {
  return { length, stream, close: () => blob.close() }
}

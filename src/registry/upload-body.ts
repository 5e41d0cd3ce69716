import { counted } from '../counted.ts'
import type { UploadContent } from '../blobs/blob-store.ts'
import type { UploadRecord } from '../metadata/records.ts'
import type { ByteRange } from '../oci/byte-range.ts'
import { OciError } from '../oci/oci-error.ts'
import type { Body, UploadStatus } from './registry.ts'
import { contentSize } from './upload-hashers.ts'
import { longerThanBlob, UploadRangeError } from './upload-refusals.ts'

export const emptyContent: UploadContent = { kind: 'inline', bytes: new Uint8Array() }

export const noBody: Body = {
  length: 0,
  onDemand: false,
  source: {
    async *[Symbol.asyncIterator]() {},
  },
}

/** A body of bytes that were already read; it ends with the error `interrupted`, if any. */
export function replay(bytes: Uint8Array, { length, range }: Body, interrupted: unknown): Body {
  return {
    length,
    range,
    onDemand: false,
    source: {
      async *[Symbol.asyncIterator]() {
        yield bytes
        if (interrupted !== undefined) throw interrupted as Error
      },
    },
  }
}

export function statusOf(upload: UploadRecord): UploadStatus {
  return { id: upload.id, repository: upload.repository, offset: contentSize(upload.content) }
}

/**
 * Throws UploadRangeError or OciError SIZE_INVALID. Without a Content-Range the body is appended. A request
 * without a body may carry a range that ends at the upload's offset.
 */
export function checkRange(upload: UploadRecord, { length, range }: Body): void {
  if (range === undefined) return
  const status = statusOf(upload)
  if (length === 0 && range.end + 1 === status.offset) return
  if (range.start !== status.offset) throw new UploadRangeError(status, range.start)
  const named = sizeOf(range)
  if (length === undefined || length === named) return
  throw new OciError('SIZE_INVALID', 'the length does not match the range', {
    detail: `Content-Range names ${counted(named, 'byte')}, Content-Length ${length}`,
  })
}

/** The length that a body announces: by its Content-Length, else by its Content-Range. */
export function announcedBytes({ length, range }: Body): { readonly expectedBytes?: number } {
  if (length !== undefined) return { expectedBytes: length }
  return range === undefined ? {} : { expectedBytes: sizeOf(range) }
}

/** Reads a body that is not needed; one of more than `limit` bytes is an OciError SIZE_INVALID. */
export async function discard(
  { source }: Body,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  let size = 0
  for await (const chunk of source) {
    signal?.throwIfAborted()
    size += chunk.byteLength
    if (size > limit) throw longerThanBlob(limit)
  }
}

function sizeOf({ start, end }: ByteRange): number {
  return end - start + 1
}

/**
 * Throws OciError SIZE_INVALID for a Content-Range that is not the whole body, in a request without an upload
 * to append to.
 */
export function checkWhole({ length, range }: Body): void {
  if (range === undefined || (range.start === 0 && (length === undefined || length === sizeOf(range)))) return
  throw new OciError('SIZE_INVALID', 'the range is not the whole content', {
    detail: `the request has bytes ${range.start} to ${range.end} of a blob: open an upload to send it in parts`,
  })
}

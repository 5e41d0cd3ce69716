import type { UploadRecord } from '../metadata/records.ts'
import { OciError } from '../oci/oci-error.ts'
import type { Body, UploadStatus } from './registry.ts'
import { heldSize } from './upload-hashers.ts'
import { UploadRangeError } from './upload-range-error.ts'

export const noBody: Body = {
  length: 0,
  source: {
    async *[Symbol.asyncIterator]() {},
  },
}

/** A body that has been read already, and how it ended. */
export function replay(bytes: Uint8Array, { length, range }: Body, interrupted: unknown): Body {
  return {
    length,
    range,
    source: {
      async *[Symbol.asyncIterator]() {
        yield bytes
        if (interrupted !== undefined) throw interrupted as Error
      },
    },
  }
}

export function statusOf(upload: UploadRecord): UploadStatus {
  return { id: upload.id, repository: upload.repository, offset: heldSize(upload.held) }
}

/** Throws UploadRangeError or OciError SIZE_INVALID; without a Content-Range the body goes to the end. */
export function checkRange(upload: UploadRecord, { length, range }: Body): void {
  if (range === undefined) return
  const status = statusOf(upload)
  if (range.start !== status.offset) throw new UploadRangeError(status, range.start)
  const named = range.end - range.start + 1
  if (length === undefined || length === named) return
  throw new OciError('SIZE_INVALID', 'the length does not match the range', {
    detail: `Content-Range names ${named} bytes, Content-Length ${length}`,
  })
}

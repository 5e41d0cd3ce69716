import { counted } from '../counted.ts'
import type { Digest } from '../oci/digest.ts'
import { OciError } from '../oci/oci-error.ts'
import type { UploadStatus } from './registry.ts'

/** A chunk that does not begin at the upload's offset: RANGE_INVALID (416), with the status of the upload. */
export class UploadRangeError extends OciError {
  readonly upload: UploadStatus

  constructor(upload: UploadStatus, start: number) {
    super('RANGE_INVALID', 'the chunk is out of order', {
      detail: `the chunk begins at byte ${start}, the upload has ${counted(upload.offset, 'byte')}: go on from there`,
    })
    this.upload = upload
  }
}

export function unknownUpload(): OciError {
  return new OciError('BLOB_UPLOAD_UNKNOWN', 'the upload is not known', {
    detail: 'it was finished, cancelled or has expired: begin a new upload',
  })
}

export function takenOver(): OciError {
  return new OciError('BLOB_UPLOAD_INVALID', 'another request has taken over this upload', {
    detail: 'ask for the state of the upload and go on from there',
  })
}

export function wrongDigest(found: Digest, size: number): OciError {
  return new OciError('DIGEST_INVALID', 'the digest does not match the content', {
    detail: `the ${counted(size, 'byte')} received have the digest ${found}; the upload was discarded`,
  })
}

export function fitsNeither(found: Digest, offset: number): OciError {
  return new OciError('DIGEST_INVALID', 'the digest does not match the content', {
    detail: `a request of this upload was cut: neither this one alone (${found}) nor what the upload holds with it has the digest. The upload still has ${counted(offset, 'byte')}: send everything again, or go on from there`,
  })
}

export function longerThanBlob(size: number): OciError {
  return new OciError('SIZE_INVALID', 'the content is longer than the blob', {
    detail: `the blob is in this repository already, and has ${counted(size, 'byte')}`,
  })
}

import { OciError } from '../oci/oci-error.ts'
import type { UploadStatus } from './registry.ts'

/** A chunk that does not begin where the upload stands: RANGE_INVALID (416), and where it stands. */
export class UploadRangeError extends OciError {
  readonly upload: UploadStatus

  constructor(upload: UploadStatus, start: number) {
    super('RANGE_INVALID', 'the chunk is out of order', {
      detail: `the chunk begins at byte ${start}, the upload has ${upload.offset} bytes: go on from there`,
    })
    this.upload = upload
  }
}

import { OciError } from '../../oci/oci-error.ts'

/** The refusal of a blob whose upload was cancelled before its change was committed. */
export function uploadCancelled(): OciError {
  return new OciError('BLOB_UPLOAD_UNKNOWN', 'the upload is not known', {
    detail: 'it was cancelled while its last request was under way: begin a new upload',
  })
}

import type { OciError } from '../oci/oci-error.ts'
import { UploadRangeError } from '../registry/upload-refusals.ts'
import { ociErrorBody } from './oci-error-body.ts'
import type { FlatHeaders, Reply } from './reply.ts'
import { uploadHeaders } from './upload-routes.ts'

/** The reply to an error, as the specification's JSON. */
export function ociErrorReply(error: OciError): Reply {
  const headers: FlatHeaders = ['Content-Type', 'application/json']
  for (const [name, value] of Object.entries(error.headers)) headers.push(name, value)
  if (error instanceof UploadRangeError) headers.push(...uploadHeaders(error.upload, '0--1'))
  if (error.status === 503) headers.push('Retry-After', '1')
  return { status: error.status, headers, body: ociErrorBody(error.entries) }
}

import type { AuditObjects } from '../../blobs/audit-objects.ts'
import type { CredentialSource } from '../../blobs/s3/credentials/credentials.ts'
import { S3AuditObjects } from '../../blobs/s3/s3-audit-objects.ts'
import { S3Client } from '../../blobs/s3/s3-client.ts'
import type { S3Location } from '../../blobs/s3/s3-location.ts'
import { S3Objects } from '../../blobs/s3/s3-objects.ts'

/** Asks S3 nothing yet. The caller closes it. */
export function openBucketAudit(bucket: {
  readonly location: S3Location
  readonly credentials: CredentialSource
}): AuditObjects {
  return new S3AuditObjects(new S3Objects(new S3Client(bucket.location, bucket.credentials)))
}

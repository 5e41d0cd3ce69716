import type { S3Location } from '../../blobs/s3/s3-location.ts'
import { isFull, S3Fault, S3Unreachable } from '../../blobs/s3/s3-fault.ts'
import { reasonOf } from '../../reason-of.ts'
import { exitCode, UserError } from '../../user-error.ts'

/** Codes with which servers refuse credentials, those of MinIO and versitygw included. */
const refusals = new Set([
  'AuthorizationHeaderMalformed',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'XAdminUserNotFound',
])

/** `s3://bucket/prefix`, for people. */
export function bucketName({ bucket, prefix }: S3Location): string {
  return `s3://${bucket}/${prefix}`
}

/** What a person can do about a request of the start that S3 has refused. `right`: what the request needs. */
export function bucketFault(
  error: unknown,
  location: S3Location,
  right: { readonly action: string; readonly permission: string },
): unknown {
  const { endpoint, bucket, region } = location
  if (error instanceof S3Unreachable) {
    return new UserError('S3_UNREACHABLE', `${endpoint} does not answer: ${reasonOf(error.cause)}`, {
      hint: 'Check --s3-endpoint and the way to it; the file in NODE_EXTRA_CA_CERTS holds a CA of your own.',
      exitCode: exitCode.unreachable,
      cause: error,
    })
  }
  if (!(error instanceof S3Fault)) return error
  const { code, status } = error
  if (code === 'NoSuchBucket') {
    return new UserError('S3_NO_BUCKET', `there is no bucket ${bucket} at ${endpoint}`, {
      hint: 'Make it first: trow makes no buckets.',
      cause: error,
    })
  }
  const isElsewhere = status === 301 || status === 307 || code === 'IllegalLocationConstraintException'
  if (isElsewhere || (error.region !== undefined && error.region !== region)) {
    const where = error.region === undefined ? 'in another region' : `in the region ${error.region}`
    return new UserError('S3_WRONG_REGION', `the bucket ${bucket} is ${where}, not in ${region}`, {
      hint: `Start with --s3-region ${error.region ?? 'and the name of its region'}.`,
      cause: error,
    })
  }
  if (refusals.has(code) || status === 401) {
    return new UserError(
      'S3_CREDENTIALS_REFUSED',
      `${endpoint} refuses the credentials: ${reasonOf(error)}`,
      {
        hint: 'Give the right ones: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a credentials file, or a role.',
        exitCode: exitCode.notPermitted,
        cause: error,
      },
    )
  }
  // Ceph refuses with 403 what is over a quota.
  if (isFull(error)) {
    return new UserError('S3_FULL', `${bucketName(location)} takes no more: ${reasonOf(error)}`, {
      hint: 'Give the bucket more room.',
      cause: error,
    })
  }
  if (status === 403) {
    return new UserError(
      'S3_NOT_PERMITTED',
      `these credentials may not ${right.action} in ${bucketName(location)}`,
      {
        hint: `Allow ${right.permission}; docs/object-storage.md has the whole policy of the bucket.`,
        exitCode: exitCode.notPermitted,
        cause: error,
      },
    )
  }
  return new UserError('S3_UNUSABLE', `${endpoint} cannot keep the blobs: ${reasonOf(error)}`, {
    hint: 'Check --s3-endpoint, --s3-path-style and --s3-encryption: it must be an S3 server that knows them.',
    cause: error,
  })
}

export function noCredentials(place: string, cause: unknown): UserError {
  return new UserError(
    'S3_NO_CREDENTIALS',
    `there are no credentials for S3 in ${place}: ${reasonOf(cause)}`,
    {
      hint: 'Give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a credentials file, or a role.',
      exitCode: exitCode.notPermitted,
      cause,
    },
  )
}

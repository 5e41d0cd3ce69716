import { errorCode } from '../../error-code.ts'
import { reasonOf } from '../../reason-of.ts'
import { xmlText } from './xml.ts'

/** S3 answered with an error. */
export class S3Fault extends Error {
  /** The code of S3's error document, such as `NoSuchKey`; `HTTP 503` where there is none. */
  readonly code: string
  readonly status: number
  /** The region in which the bucket is, where the answer names it. */
  readonly region: string | undefined
  /** Milliseconds since the epoch that the server's clock showed, where the answer names them. */
  readonly serverTime: number | undefined

  constructor(status: number, headers: ResponseHeaders, body: string) {
    const code = xmlText(body, 'Code') ?? `HTTP ${status}`
    // Ceph's documents have an empty one.
    const message = xmlText(body, 'Message') ?? ''
    super(`S3 answered ${status} ${code}${message === '' ? '' : `: ${message.slice(0, 500)}`}`)
    this.name = 'S3Fault'
    this.code = code
    this.status = status
    this.region = headerOf(headers, 'x-amz-bucket-region') ?? xmlText(body, 'Region')
    const date = Date.parse(headerOf(headers, 'date') ?? '')
    this.serverTime = Number.isNaN(date) ? undefined : date
  }
}

/** S3 gave no answer, or broke it off. */
export class S3Unreachable extends Error {
  constructor(cause: unknown) {
    super(`S3 does not answer: ${reasonOf(cause)}`, { cause })
    this.name = 'S3Unreachable'
  }
}

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

export function headerOf(headers: ResponseHeaders, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

/** Of a HEAD there is no document. */
const absences = new Set(['NoSuchKey', 'NoSuchUpload', 'NotFound', 'HTTP 404'])

/** Whether the object or the upload that was asked for does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof S3Fault && error.status === 404 && absences.has(error.code)
}

const passing = new Set([
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'ServiceUnavailable',
  'SlowDown',
  'SlowDownRead',
  'SlowDownWrite',
  'Throttling',
  'ThrottlingException',
  'RequestLimitExceeded',
])

/** Whether the same request may succeed a moment later. */
export function isPassing(error: unknown): boolean {
  if (error instanceof S3Unreachable) return errorCode(error.cause) !== 'CERT_HAS_EXPIRED'
  if (!(error instanceof S3Fault)) return false
  return (
    passing.has(error.code) ||
    error.status === 429 ||
    (error.status >= 500 && error.status !== 501 && error.status !== 507)
  )
}

/** Whether the credentials were refused because others have taken their place. */
export function isStaleCredentials(error: unknown): boolean {
  return (
    error instanceof S3Fault &&
    [
      'ExpiredToken',
      'ExpiredTokenException',
      'InvalidAccessKeyId',
      'InvalidToken',
      'TokenRefreshRequired',
    ].includes(error.code)
  )
}

/** Whether the store has no room left or a quota is used up. */
export function isFull(error: unknown): boolean {
  return (
    error instanceof S3Fault &&
    (error.status === 507 ||
      /^(QuotaExceeded|XMinioStorageFull|XMinioAdminBucketQuotaExceeded|InsufficientStorage.*)$/.test(
        error.code,
      ))
  )
}

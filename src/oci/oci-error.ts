/**
 * Every error code a registry client can meet, with its HTTP status.
 * OCI distribution-spec 1.1.1, "Error Codes"; the codes after TOOMANYREQUESTS are the ones that
 * CNCF Distribution added and clients know.
 */
export const ociErrorStatus = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 400,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  MANIFEST_TOO_LARGE: 413,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  RANGE_INVALID: 416,
  TAG_INVALID: 400,
  PAGINATION_NUMBER_INVALID: 400,
  REQUEST_INVALID: 400,
  STORAGE_FULL: 507,
  UNAVAILABLE: 503,
  UNKNOWN: 500,
} as const satisfies Record<string, number>

export type OciErrorCode = keyof typeof ociErrorStatus

/** One element of the reply's `errors`. */
export interface OciErrorEntry {
  readonly code: OciErrorCode
  readonly message: string
  readonly detail?: unknown
}

/**
 * An error that the client caused, sent in the specification's JSON: `{"errors":[{code,message,detail}]}`.
 */
export class OciError extends Error {
  readonly code: OciErrorCode
  /** For the person who reads the client's output: what was wrong and what to do. JSON-serialisable. */
  readonly detail: unknown
  /** Extra reply headers that the protocol requires with this error (`Location` and `Range` on a 416). */
  readonly headers: Readonly<Record<string, string>>
  /** The reply's `errors`: this error alone, unless it stands for several. */
  readonly entries: readonly OciErrorEntry[]

  constructor(
    code: OciErrorCode,
    message: string,
    options: {
      detail?: unknown
      headers?: Readonly<Record<string, string>>
      entries?: readonly OciErrorEntry[]
      cause?: unknown
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'OciError'
    this.code = code
    this.detail = options.detail
    this.headers = options.headers ?? {}
    this.entries = options.entries ?? [{ code, message, detail: options.detail }]
  }

  get status(): number {
    return ociErrorStatus[this.code]
  }
}

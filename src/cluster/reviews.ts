/** Reviews by a Kubernetes API server. Methods reject with ClusterUnavailable if it does not answer. */
export interface ClusterReviews {
  /** authentication.k8s.io/v1 TokenReview. */
  reviewToken(token: string, audiences: readonly string[] | undefined): Promise<TokenReviewResult>
  /** authorization.k8s.io/v1 SubjectAccessReview on `repositories`, `audit` or `admission` of registry.trow.io. */
  reviewAccess(review: AccessReview): Promise<AccessReviewResult>
}

/** The keys that sign the cluster's own tokens. */
export interface ClusterTokenKeys {
  /** `keys` is a JSON Web Key Set (RFC 7517). Returns `undefined` if they cannot be read now. */
  tokenKeys(): Promise<{ readonly issuer: string; readonly keys: unknown } | undefined>
}

export type TokenReviewResult =
  | {
      readonly authenticated: true
      readonly user: ClusterUser
      /** The requested audiences that the token has. Empty means that the token is for the API server itself. */
      readonly audiences: readonly string[]
    }
  | { readonly authenticated: false; readonly reason: string }

export interface ClusterUser {
  readonly name: string
  readonly uid?: string
  readonly groups: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

export interface AccessReview {
  readonly user: ClusterUser
  /** `repositories` by default. */
  readonly resource?: 'repositories' | 'audit' | 'admission' | undefined
  readonly verb: 'get' | 'list' | 'create' | 'update' | 'delete'
  /** `undefined` means cluster-scoped. */
  readonly namespace: string | undefined
  /** `undefined` means all names (`list`). */
  readonly name: string | undefined
}

export interface AccessReviewResult {
  readonly allowed: boolean
  readonly reason: string
}

/** The API server gave no usable answer. That includes a refusal of our own credential. */
export class ClusterUnavailable extends Error {
  /** Seconds, from the API server's Retry-After. */
  readonly retryAfter: number | undefined

  constructor(message: string, options: { retryAfter?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'ClusterUnavailable'
    this.retryAfter = options.retryAfter
  }
}

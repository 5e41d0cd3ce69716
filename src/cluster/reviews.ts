/** What access asks of a Kubernetes API server. Rejects with ClusterUnavailable when it does not answer. */
export interface ClusterReviews {
  /** authentication.k8s.io/v1 TokenReview. */
  reviewToken(token: string, audiences: readonly string[] | undefined): Promise<TokenReviewResult>
  /** authorization.k8s.io/v1 SubjectAccessReview on `repositories.registry.trow.io` or `audit.registry.trow.io`. */
  reviewAccess(review: AccessReview): Promise<AccessReviewResult>
}

/** Who signs the cluster's own tokens. */
export interface ClusterTokenKeys {
  /** `keys`: a JSON Web Key Set (RFC 7517). Undefined where they cannot be read now. */
  tokenKeys(): Promise<{ readonly issuer: string; readonly keys: unknown } | undefined>
}

export type TokenReviewResult =
  | {
      readonly authenticated: true
      readonly user: ClusterUser
      /** Of those asked for. Empty: the token is meant for the API server itself. */
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
  /** `repositories` when not given. */
  readonly resource?: 'repositories' | 'audit' | undefined
  readonly verb: 'get' | 'list' | 'create' | 'update' | 'delete'
  /** Undefined: cluster-scoped. */
  readonly namespace: string | undefined
  /** Undefined: all of them (`list`). */
  readonly name: string | undefined
}

export interface AccessReviewResult {
  readonly allowed: boolean
  readonly reason: string
}

/** The API server did not answer, or not with an answer: also where it refuses our own credential. */
export class ClusterUnavailable extends Error {
  /** Seconds, where the API server said when to come back. */
  readonly retryAfter: number | undefined

  constructor(message: string, options: { retryAfter?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'ClusterUnavailable'
    this.retryAfter = options.retryAfter
  }
}

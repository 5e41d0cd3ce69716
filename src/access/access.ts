import type { RepositoryName } from '../oci/repository-name.ts'
import type { ClientCertificate } from './credential.ts'
import type { Action, AdmissionRight, Principal } from './principal.ts'
import type { TokenBounds } from './token-bounds.ts'

/** The credentials and the address that a request presents. */
export interface PresentedCredentials {
  readonly authorization: string | undefined
  readonly certificate: ClientCertificate | undefined
  /** The client's address; behind trusted proxies, the address that they forward. */
  readonly address: string
}

/** The caller of a request, and the bounds of the token that it used. */
export interface Identity {
  readonly principal: Principal
  /**
   * The bounds of the trow access token that was presented. Undefined: the credential itself was presented,
   * or none.
   */
  readonly bounds: TokenBounds | undefined
}

export interface Decision {
  readonly allowed: boolean
  /**
   * The rule, binding or scope that decided, as text: for audit records, `explain` and logs; not for the
   * client.
   */
  readonly reason: string
  /** Set where RBAC of the cluster was asked. */
  readonly isReviewed?: boolean
}

/**
 * Authentication and authorisation for a worker. Known answers are returned synchronously, without a promise.
 */
export interface Access {
  /**
   * An `authorization` header takes precedence over the certificate; a refused header never falls back to it.
   * Without either: anonymous. Throws OciError UNAUTHORIZED (wrong credentials), TOOMANYREQUESTS,
   * UNAVAILABLE.
   */
  identify(presented: PresentedCredentials): Identity | Promise<Identity>
  /**
   * The principal that a trow refresh token was issued to, if its credential is still valid. Throws as
   * `identify` does.
   */
  refresh(token: string, address: string): Promise<Principal>
  /** Throws OciError UNAVAILABLE if no decision can be made now. */
  decide(principal: Principal, action: Action, repository: RepositoryName): Decision | Promise<Decision>
  /** Whether the principal may read the audit log. Throws as `decide` does. */
  decideAudit(principal: Principal): Decision | Promise<Decision>
  /**
   * Whether the principal is an admission pod: only a service account may be one, and only the cluster says so. Throws as
   * `decide` does.
   */
  decideAdmission(principal: Principal, right: AdmissionRight): Decision | Promise<Decision>
}

/** The token service: protocol of the docker registry "token authentication", GET and the OAuth2 POST form. */
export interface TokenService {
  /** `refresh`: also a refresh token. Throws OciError as `identify` does. */
  issue(
    principal: Principal,
    options: {
      readonly service: string
      readonly refresh: boolean
      /** The access token opens these scopes and `/v2/`, nothing else. */
      readonly scopes: readonly string[]
    },
  ): Promise<IssuedToken>
}

export interface IssuedToken {
  readonly token: string
  /** Seconds. */
  readonly expiresIn: number
  readonly issuedAt: Date
  readonly refreshToken: string | undefined
}

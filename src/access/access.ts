import type { RepositoryName } from '../oci/repository-name.ts'
import type { ClientCertificate } from './credential.ts'
import type { Action, Principal } from './principal.ts'
import type { TokenBounds } from './token-bounds.ts'

/** What a request shows of who it is from. */
export interface Shown {
  readonly authorization: string | undefined
  readonly certificate: ClientCertificate | undefined
  /** The client's address, behind trusted proxies the one that they name. */
  readonly address: string
}

/** Who a request is from, and by what. */
export interface Identity {
  readonly principal: Principal
  /** An access token of ours was shown, with what it was asked for; undefined: the credential itself, or nothing. */
  readonly bounds: TokenBounds | undefined
}

export interface Decision {
  readonly allowed: boolean
  /** Which rule, binding or scope decided, in words: for the audit, `explain` and logs; not for the client. */
  readonly reason: string
}

/** Who may do what, as a worker asks it. Answers that are known are given at once, without a promise. */
export interface Access {
  /**
   * An `authorization` header outranks the certificate, and a refused one never falls back to it. Without either:
   * anonymous. Throws OciError UNAUTHORIZED (wrong credentials), TOOMANYREQUESTS, UNAVAILABLE.
   */
  identify(shown: Shown): Identity | Promise<Identity>
  /** Who a refresh token of ours was given to, if their credential still stands. Throws as `identify` does. */
  refresh(token: string, address: string): Promise<Principal>
  /** Throws OciError UNAVAILABLE where nobody can tell now. */
  decide(principal: Principal, action: Action, repository: RepositoryName): Decision | Promise<Decision>
  /** Whether they may read the audit log. Throws as `decide` does. */
  decideAudit(principal: Principal): Decision | Promise<Decision>
}

/** The token service: protocol of the docker registry "token authentication", GET and the OAuth2 POST form. */
export interface TokenService {
  /** `refresh`: also a refresh token. Throws OciError as `identify` does. */
  issue(
    principal: Principal,
    options: {
      readonly service: string
      readonly refresh: boolean
      /** All that the access token opens, and `/v2/`. */
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

import type { RepositoryName } from '../oci/repository-name.ts'
import { OciError } from '../oci/oci-error.ts'
import type { Instant } from '../instant.ts'
import { answerFor, type Authority, type Reviewed, type SigningKeys, type Verified } from './authority.ts'
import type { Credential } from './credential.ts'
import type { KubernetesTokens } from './kubernetes-tokens.ts'
import type { NodeStandings } from './node-standings.ts'
import type { OidcTokens } from './oidc.ts'
import type { OwnTokens } from './own-tokens.ts'
import type { Passwords } from './passwords.ts'
import { robotPrefix, type Action, type AdmissionRight, type Principal } from './principal.ts'
import type { Reviews } from './reviews.ts'
import type { Robots } from './robots.ts'
import type { SigningKeyRing } from './signing-keys.ts'
import { sourceProblem } from './source-names.ts'
import type { Strangers } from './strangers.ts'
import type { TokenVerdict } from './token-format.ts'
import { readUnverified } from './unverified-token.ts'

/** The configured parts; callers that need a missing part are refused with a reason. */
export interface AuthorityParts {
  readonly now: () => Instant
  readonly strangers: Strangers
  readonly ring: SigningKeyRing
  readonly ownTokens: OwnTokens
  readonly robots: Robots
  readonly passwords: Passwords | undefined
  readonly kubernetes: KubernetesTokens | undefined
  /** Of the issuers that are in force; undefined: there are none. */
  readonly oidc: () => OidcTokens | undefined
  readonly reviews: Reviews | undefined
  readonly nodes: NodeStandings | undefined
}

type JudgedToken = Extract<TokenVerdict, { ok: true }> | Extract<Verified, { ok: false }>

/** Tokens of clouds that are not JWTs: EKS, OpenShift, GKE. */
const opaqueToken = /^(?:k8s-aws-v1\.|sha256~|ya29\.)/

/** The authority of a process, in the thread that runs it. */
export class LocalAuthority implements Authority {
  readonly #parts: AuthorityParts

  constructor(parts: AuthorityParts) {
    this.#parts = parts
  }

  async verify(credential: Credential, source: string): Promise<Verified> {
    const verified = await this.#verify(credential, source)
    if (!verified.ok) return verified
    const problem = sourceProblem(verified.principal)
    return problem === undefined ? verified : this.#refused(problem)
  }

  verifyNode(principal: Principal): Promise<Verified> {
    const nobodyToAsk: Verified = { ok: true, principal, until: this.#parts.now() + answerFor }
    return this.#parts.nodes?.verify(principal) ?? Promise.resolve(nobodyToAsk)
  }

  review(principal: Principal, action: Action, repository: RepositoryName): Promise<Reviewed> {
    return this.#parts.reviews?.review(principal, action, repository) ?? this.#nobodyToAsk()
  }

  reviewNamespace(principal: Principal, namespace: string | undefined): Promise<Reviewed> {
    return this.#parts.reviews?.reviewNamespace(principal, namespace) ?? this.#nobodyToAsk()
  }

  reviewAudit(principal: Principal): Promise<Reviewed> {
    return this.#parts.reviews?.reviewAudit(principal) ?? this.#nobodyToAsk()
  }

  reviewAdmission(principal: Principal, right: AdmissionRight): Promise<Reviewed> {
    return this.#parts.reviews?.reviewAdmission(principal, right) ?? this.#nobodyToAsk()
  }

  signingKeys(): Promise<SigningKeys> {
    return this.#parts.ring.keys()
  }

  #verify(credential: Credential, source: string): Verified | Promise<Verified> {
    switch (credential.kind) {
      case 'bearer':
        return this.#token(credential.token, source)
      case 'refresh':
        return this.#refresh(credential.token)
      case 'basic':
        return this.#basic(credential.username, credential.password, source)
    }
  }

  /** A password that is a token is verified as one; the user name is then free text. */
  #basic(username: string, password: string, source: string): Verified | Promise<Verified> {
    const { robots, passwords, kubernetes } = this.#parts
    if (username.startsWith(robotPrefix)) return robots.verify(username, password, source)
    const isToken =
      readUnverified(password) !== undefined || (kubernetes !== undefined && opaqueToken.test(password))
    if (isToken) return this.#token(password, source)
    return passwords?.verify(username, password, source) ?? this.#refused('nobody has a password here')
  }

  #token(token: string, source: string): Verified | Promise<Verified> {
    const { ownTokens, kubernetes } = this.#parts
    const oidc = this.#parts.oidc()
    // Workers verify trow's own tokens themselves, as Bearer. As a password, such a token could be exchanged
    // for its own successor.
    if (ownTokens.claims(token)) return this.#refused('it is a token of this registry, and no password')
    if (oidc?.claims(token) === true) return oidc.verify(token)
    if (kubernetes === undefined) return this.#refused('nobody here knows who issued the token')
    const known = kubernetes.cached(token)
    if (known !== undefined) return known
    return kubernetes.isKnown(token) ? kubernetes.verify(token) : this.#askCluster(kubernetes, token, source)
  }

  /**
   * A token that is decided without the API server is not counted. The others are rationed, since unknown
   * clients could flood the API server with them.
   */
  async #askCluster(kubernetes: KubernetesTokens, token: string, source: string): Promise<Verified> {
    const standing = await kubernetes.look(token)
    if (standing === 'proven') return kubernetes.verify(token)
    if (standing !== 'unproven') return standing
    const attempt = this.#parts.strangers.beginToken(source)
    if (attempt.kind === 'wait') {
      const retryAfter = Math.ceil(attempt.milliseconds / 1000)
      const reason = 'there were too many tokens that only the cluster can judge: wait before the next'
      return { ok: false, kind: 'throttled', reason, retryAfter, until: this.#parts.now() }
    }
    const verified = await kubernetes.verify(token)
    if (verified.ok) attempt.succeeded()
    else if (verified.kind !== 'refused') attempt.undone()
    return verified
  }

  /** A refresh token ends with its credential: with a new password, or with the robot. */
  async #refresh(token: string): Promise<Verified> {
    const verdict = await this.#judge(token)
    if (!verdict.ok) return verdict
    const { principal, expiresAt } = verdict
    const until = Math.min(this.#parts.now() + answerFor, expiresAt)
    let current: Principal | undefined
    if (principal.kind === 'password') current = this.#parts.passwords?.find(principal.name)
    if (principal.kind === 'robot') current = await this.#parts.robots.find(principal.name)
    if (current === undefined || current.credentialId !== principal.credentialId)
      return this.#refused('what the refresh token was given for is gone or was changed: log in again')
    return { ok: true, principal: current, until }
  }

  async #judge(token: string): Promise<JudgedToken> {
    let verdict: TokenVerdict
    try {
      verdict = await this.#parts.ownTokens.verify('refresh', token)
    } catch (error) {
      if (!(error instanceof OciError)) throw error
      const until = this.#parts.now()
      return { ok: false, kind: 'unavailable', reason: error.message, retryAfter: 5, until }
    }
    return verdict.ok ? verdict : this.#refused(verdict.reason)
  }

  #refused(reason: string): Extract<Verified, { ok: false }> {
    return { ok: false, kind: 'refused', reason, until: this.#parts.now() + answerFor }
  }

  #nobodyToAsk(): Promise<Reviewed> {
    const until = this.#parts.now() + answerFor
    return Promise.resolve({ kind: 'answered', allowed: false, reason: 'no cluster is asked', until })
  }
}

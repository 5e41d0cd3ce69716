import { createHash } from 'node:crypto'
import {
  ClusterUnavailable,
  type ClusterReviews,
  type ClusterUser,
  type TokenReviewResult,
} from '../cluster/reviews.ts'
import { inTime } from '../in-time.ts'
import type { Instant } from '../instant.ts'
import { answerFor, type Verified } from './authority.ts'
import { ExpiringCache } from './expiring-cache.ts'
import type { Principal } from './principal.ts'
import { SingleFlight } from './single-flight.ts'
import type { ClusterIssuer } from './cluster-issuer.ts'
import { longestToken, looksLikeJwt, readUnverified, type UnverifiedClaims } from './unverified-token.ts'

export interface KubernetesTokenParts {
  readonly cluster: ClusterReviews
  /** Undefined: no token can be verified without the API server. */
  readonly issuer?: Pick<ClusterIssuer, 'judge'>
  readonly now: () => Instant
  /** Also accept tokens for the API server, as `aws eks get-token` and kubeconfigs with OIDC send them. */
  readonly apiServerTokens: boolean
  /** Default `trow`. */
  readonly audience?: string
}

/**
 * Milliseconds that the last answer is used while the cluster does not answer. A revocation goes unnoticed
 * meanwhile.
 */
const staleFor = 2 * 60_000
const askAgainAfter = 5000
/** Milliseconds that a known token waits for an answer, and that the last one is used then before the next wait. */
const patience = 1000
const wrongFor = 15_000
const credentialKey = 'authentication.kubernetes.io/credential-id'

/**
 * Verifies tokens by the cluster's TokenReview: one review at a time for each token. An answer is used for
 * seconds (`answerFor`; a refusal for 15 s), never beyond the token's expiry. A token that is known does not wait long
 * for a cluster that is slow or frozen: the last answer is used meanwhile.
 */
export class KubernetesTokens {
  readonly #cluster: ClusterReviews
  readonly #issuer: Pick<ClusterIssuer, 'judge'> | undefined
  readonly #now: () => Instant
  readonly #apiServerTokens: boolean
  readonly #audience: string
  readonly #answers: ExpiringCache<{ readonly answer: Verified; readonly confirmedAt: Instant }>
  readonly #flights = new SingleFlight<Verified>()

  constructor(parts: KubernetesTokenParts) {
    this.#cluster = parts.cluster
    this.#issuer = parts.issuer
    this.#now = parts.now
    this.#apiServerTokens = parts.apiServerTokens
    this.#audience = parts.audience ?? 'trow'
    this.#answers = new ExpiringCache({ capacity: 10_000, now: parts.now })
  }

  /** The cached answer for the token. */
  cached(token: string): Verified | undefined {
    return this.#cached(keyOf(token))
  }

  /** Whether the cluster has accepted the token lately: another review of it need not count as a guess. */
  isKnown(token: string): boolean {
    return this.#answers.get(keyOf(token))?.answer.ok === true
  }

  /**
   * What is known without the API server: a refusal, or whether the cluster has signed the token. The caller
   * must ration reviews of `unproven` tokens.
   */
  async look(token: string): Promise<Extract<Verified, { ok: false }> | 'proven' | 'unproven'> {
    const claims = readUnverified(token)
    const problem = this.#problem(token, claims)
    if (problem !== undefined) return this.#refused(problem)
    if (claims === undefined || this.#issuer === undefined) return 'unproven'
    const standing = await this.#issuer.judge(token, claims)
    return standing === 'forged' ? this.#refused('its signature is not that of the cluster') : standing
  }

  /** Checks form, expiry and audience. Unverified claims may refuse a token, never admit it. */
  #problem(token: string, claims: UnverifiedClaims | undefined): string | undefined {
    if (token === '' || token.length > longestToken) return 'it is not a token'
    if (claims === undefined) {
      if (looksLikeJwt(token)) return 'it is not a token that can be read'
      return this.#apiServerTokens ? undefined : 'it is not a token of the cluster'
    }
    if (claims.exp !== undefined && claims.exp <= this.#now()) return 'the token has expired'
    if (this.#apiServerTokens || claims.aud.includes(this.#audience)) return undefined
    if (claims.aud.length === 0)
      return `it is meant for the API server, and only tokens for "${this.#audience}" are taken`
    return this.#wrongAudience(claims)
  }

  async verify(token: string): Promise<Verified> {
    const claims = readUnverified(token)
    const problem = this.#problem(token, claims)
    if (problem !== undefined) return this.#refused(problem)
    const key = keyOf(token)
    const cached = this.#cached(key)
    if (cached !== undefined) return cached
    const asked = this.#flights.run(key, () => this.#review(token, key, claims))
    if (this.#answers.get(key)?.answer.ok !== true) return asked
    const soon = await inTime<Verified | undefined>(asked, AbortSignal.timeout(patience), () => undefined)
    return soon ?? this.#withoutAnswer(key, patience) ?? asked
  }

  #cached(key: string): Verified | undefined {
    const answer = this.#answers.get(key)?.answer
    return answer !== undefined && answer.until > this.#now() ? answer : undefined
  }

  async #review(token: string, key: string, claims: UnverifiedClaims | undefined): Promise<Verified> {
    // A requested audience must be in the token; a review without audiences means the API server's own.
    const forApiServer = this.#apiServerTokens && claims?.aud.includes(this.#audience) !== true
    // Age counts from the question: the token may be revoked while the answer is on its way.
    const askedAt = this.#now()
    let result: TokenReviewResult
    try {
      result = await this.#cluster.reviewToken(token, forApiServer ? undefined : [this.#audience])
    } catch (error) {
      if (!(error instanceof ClusterUnavailable)) throw error
      const last = this.#withoutAnswer(key, askAgainAfter)
      if (last !== undefined) return last
      const reason = 'the cluster, which knows this token, does not answer'
      return { ok: false, kind: 'unavailable', reason, retryAfter: 5, until: this.#now() + 1000 }
    }
    const answer = this.#judge(result, { claims, forApiServer, askedAt })
    const end = answer.ok ? Math.min(askedAt + staleFor, claims?.exp ?? Infinity) : answer.until
    this.#answers.set(key, { answer, confirmedAt: askedAt }, end)
    return answer
  }

  /** The last answer, if it was an admission and is not too old; used for so many milliseconds. */
  #withoutAnswer(key: string, usedFor: number): Verified | undefined {
    const last = this.#answers.get(key)
    if (last?.answer.ok !== true) return undefined
    const { answer, confirmedAt } = last
    const end = Math.min(confirmedAt + staleFor, answer.principal.expiresAt ?? Infinity)
    const again = { ...answer, until: Math.min(this.#now() + usedFor, end) }
    this.#answers.set(key, { answer: again, confirmedAt }, end)
    return again
  }

  #judge(
    result: TokenReviewResult,
    {
      claims,
      forApiServer,
      askedAt,
    }: {
      readonly claims: UnverifiedClaims | undefined
      readonly forApiServer: boolean
      readonly askedAt: Instant
    },
  ): Verified {
    const now = this.#now()
    if (!result.authenticated) return this.#refused(this.#explain(result.reason, claims))
    if (!forApiServer && !result.audiences.includes(this.#audience)) {
      if (result.audiences.length > 0) return this.#refused(`its audience is not "${this.#audience}"`)
      if (!this.#apiServerTokens)
        return this.#refused(
          `it is meant for the API server, and only tokens for "${this.#audience}" are taken`,
        )
    }
    // The cluster has verified the signature, so the claims can be trusted here.
    const end = claims?.exp ?? Infinity
    if (end <= now) return this.#refused('the token has expired')
    return {
      ok: true,
      principal: principalOf(result.user, claims?.exp),
      until: Math.min(askedAt + answerFor, end),
    }
  }

  /** Unverified claims only choose the wording of a refusal. */
  #explain(reason: string, claims: UnverifiedClaims | undefined): string {
    if (claims?.exp !== undefined && claims.exp <= this.#now()) return 'the token has expired'
    if (/has been invalidated/.test(reason))
      return 'the cluster has invalidated the token: its pod, service account or secret is gone'
    return `the cluster refuses the token${reason === '' ? '' : `: ${plain(reason)}`}`
  }

  #wrongAudience({ aud }: UnverifiedClaims): string {
    const audiences = aud.slice(0, 5).map((each) => `"${plain(each)}"`)
    return `its audience is ${audiences.join(', ')}, not "${this.#audience}"`
  }

  #refused(reason: string): Extract<Verified, { ok: false }> {
    return { ok: false, kind: 'refused', reason, until: this.#now() + wrongFor }
  }
}

function principalOf(user: ClusterUser, expiresAt: number | undefined): Principal {
  const credentialId = user.extra?.[credentialKey]?.[0]
  return {
    kind: 'kubernetes',
    name: user.name,
    groups: user.groups,
    reviewable: true,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    ...(user.extra === undefined ? {} : { extra: user.extra }),
    ...(credentialId === undefined ? {} : { credentialId }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  }
}

/** Short, printable, and without anything that could be a secret. */
export function plain(text: string): string {
  const printable = text.replaceAll(/[^\x20-\x7e]+/g, ' ').replaceAll(/[A-Za-z0-9_+/=.-]{64,}/g, '…')
  return printable.length > 200 ? `${printable.slice(0, 200)}…` : printable
}

function keyOf(token: string): string {
  return createHash('sha256').update(token).digest('base64')
}

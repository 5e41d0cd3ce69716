import { createHash } from 'node:crypto'
import {
  ClusterUnavailable,
  type ClusterReviews,
  type ClusterUser,
  type TokenReviewResult,
} from '../cluster/reviews.ts'
import type { Instant, Verified } from './authority.ts'
import { ExpiringCache } from './expiring-cache.ts'
import type { Principal } from './principal.ts'
import { SingleFlight } from './single-flight.ts'
import { longestToken, readUnverified, type UnverifiedClaims } from './unverified-token.ts'

export interface KubernetesTokenParts {
  readonly cluster: ClusterReviews
  readonly now: () => Instant
  /** Also take tokens that are meant for the API server, as `aws eks get-token` and kubeconfigs with OIDC give them. */
  readonly apiServerTokens: boolean
  /** Default `trow`. */
  readonly audience?: string
}

const rightFor = 2 * 60_000
const wrongFor = 15_000
const credentialKey = 'authentication.kubernetes.io/credential-id'

/**
 * Tokens that the cluster judges by TokenReview: one at a time for each token, and its answer is kept for two minutes
 * (a refusal for 15 s), never beyond the token's own end.
 */
export class KubernetesTokens {
  readonly #cluster: ClusterReviews
  readonly #now: () => Instant
  readonly #apiServerTokens: boolean
  readonly #audience: string
  readonly #answers: ExpiringCache<Verified>
  readonly #flights = new SingleFlight<Verified>()

  constructor(parts: KubernetesTokenParts) {
    this.#cluster = parts.cluster
    this.#now = parts.now
    this.#apiServerTokens = parts.apiServerTokens
    this.#audience = parts.audience ?? 'trow'
    this.#answers = new ExpiringCache({ capacity: 10_000, now: parts.now })
  }

  /** What is known of the token without asking. */
  recall(token: string): Verified | undefined {
    return this.#answers.get(keyOf(token))
  }

  async verify(token: string): Promise<Verified> {
    const claims = readUnverified(token)
    if (claims === undefined && !this.#apiServerTokens)
      return this.#refused('it is not a token of the cluster')
    if (token === '' || token.length > longestToken) return this.#refused('it is not a token')
    const key = keyOf(token)
    return this.#answers.get(key) ?? this.#flights.run(key, () => this.#review(token, key, claims))
  }

  async #review(token: string, key: string, claims: UnverifiedClaims | undefined): Promise<Verified> {
    // An audience that is asked for must be in the token; without one the API server's own is meant.
    const forApiServer = this.#apiServerTokens && claims?.aud.includes(this.#audience) !== true
    let result: TokenReviewResult
    try {
      result = await this.#cluster.reviewToken(token, forApiServer ? undefined : [this.#audience])
    } catch (error) {
      if (!(error instanceof ClusterUnavailable)) throw error
      const reason = 'the cluster, which knows this token, does not answer'
      return { ok: false, kind: 'unavailable', reason, retryAfter: 5, until: this.#now() + 1000 }
    }
    const answer = this.#judge(result, { claims, forApiServer })
    this.#answers.set(key, answer, answer.until)
    return answer
  }

  #judge(
    result: TokenReviewResult,
    {
      claims,
      forApiServer,
    }: { readonly claims: UnverifiedClaims | undefined; readonly forApiServer: boolean },
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
    // Verified by now: the cluster has judged what is signed.
    const end = claims?.exp ?? Infinity
    if (end <= now) return this.#refused('the token has expired')
    return {
      ok: true,
      principal: principalOf(result.user, claims?.exp),
      until: Math.min(now + rightFor, end),
    }
  }

  /** What the token says of itself only chooses the words of a refusal. */
  #explain(reason: string, claims: UnverifiedClaims | undefined): string {
    if (claims?.exp !== undefined && claims.exp <= this.#now()) return 'the token has expired'
    if (
      claims !== undefined &&
      claims.aud.length > 0 &&
      !claims.aud.includes(this.#audience) &&
      !this.#apiServerTokens
    ) {
      const audiences = claims.aud.map((each) => `"${plain(each)}"`).join(', ')
      return `its audience is ${audiences}, not "${this.#audience}"`
    }
    if (/has been invalidated/.test(reason))
      return 'the cluster has invalidated the token: its pod, service account or secret is gone'
    return `the cluster refuses the token${reason === '' ? '' : `: ${plain(reason)}`}`
  }

  #refused(reason: string): Verified {
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

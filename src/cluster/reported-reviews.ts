import type { Log } from '../log.ts'
import type { ClusterPresence } from './presence.ts'
import {
  ClusterUnavailable,
  type AccessReview,
  type AccessReviewResult,
  type ClusterReviews,
  type TokenReviewResult,
} from './reviews.ts'

export interface ReportedReviewsParts {
  readonly reviews: ClusterReviews
  readonly presence: ClusterPresence
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

interface Silence {
  readonly since: number
  readonly reason: string
  readonly saidAt: number
  readonly lastAt: number
}

const sayAgainAfter = 5 * 60_000
/** Outages of a kind that are closer together than this count as one. */
const steadyAfter = 10_000

/**
 * Logs that the cluster does not answer reviews, and why: clients only get a request to retry. Logged when an outage
 * begins, when its reason changes, every five minutes, and when no request has failed for 10 s.
 */
export class ReportedReviews implements ClusterReviews, ClusterPresence {
  readonly #parts: ReportedReviewsParts
  readonly #silences = new Map<string, Silence>()

  constructor(parts: ReportedReviewsParts) {
    this.#parts = parts
  }

  reviewToken(token: string, audiences: readonly string[] | undefined): Promise<TokenReviewResult> {
    return this.#follow('TokenReview', this.#parts.reviews.reviewToken(token, audiences))
  }

  reviewAccess(review: AccessReview): Promise<AccessReviewResult> {
    return this.#follow('SubjectAccessReview', this.#parts.reviews.reviewAccess(review))
  }

  nodeUid(name: string): Promise<string | undefined> {
    return this.#follow('Node', this.#parts.presence.nodeUid(name))
  }

  accountUid(namespace: string, name: string): Promise<string | undefined> {
    return this.#follow('ServiceAccount', this.#parts.presence.accountUid(namespace, name))
  }

  async #follow<T>(kind: string, asked: Promise<T>): Promise<T> {
    try {
      const answer = await asked
      this.#answered(kind)
      return answer
    } catch (error) {
      if (error instanceof ClusterUnavailable) this.#unanswered(kind, error.message)
      throw error
    }
  }

  #unanswered(kind: string, reason: string): void {
    const now = this.#parts.now()
    const known = this.#silences.get(kind)
    const wait = known?.reason === reason ? sayAgainAfter : steadyAfter
    if (known !== undefined && now < known.saidAt + wait) {
      this.#silences.set(kind, { ...known, lastAt: now })
      return
    }
    const since = known?.since ?? now
    this.#silences.set(kind, { since, reason, saidAt: now, lastAt: now })
    const seconds = Math.round((now - since) / 1000)
    this.#parts.log.warn('the cluster does not say who may do what', {
      kind,
      reason,
      ...(known === undefined ? {} : { seconds }),
    })
  }

  #answered(kind: string): void {
    const known = this.#silences.get(kind)
    const now = this.#parts.now()
    if (known === undefined || now < known.lastAt + steadyAfter) return
    this.#silences.delete(kind)
    const seconds = Math.round((known.lastAt - known.since) / 1000)
    this.#parts.log.info('the cluster says again who may do what', { kind, seconds })
  }
}

import {
  ClusterUnavailable,
  type AccessReview,
  type AccessReviewResult,
  type ClusterReviews,
} from '../cluster/reviews.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import { inTime } from '../in-time.ts'
import type { Instant } from '../instant.ts'
import type { Reviewed } from './authority.ts'
import { ExpiringCache } from './expiring-cache.ts'
import { plain } from './kubernetes-tokens.ts'
import { principalKey, type Action, type AdmissionRight, type Principal } from './principal.ts'
import { SingleFlight } from './single-flight.ts'
import type { Strangers } from './strangers.ts'

type Verb = AccessReview['verb']
type ReviewedResource = Pick<AccessReview, 'resource' | 'namespace' | 'name'>

interface KnownReview {
  readonly allowed: boolean
  readonly reason: string
  /** When the cluster gave this answer. */
  readonly confirmedAt: Instant
  /** Ask again then. */
  readonly until: Instant
}

const allowFor = 30_000
const denyFor = 5000
const staleFor = 10 * 60_000
const askAgainAfter = 5000
/**
 * Milliseconds after `until` in which a stale allow is returned at once while the cluster is asked. Later
 * callers wait for its answer.
 */
const askAsideFor = 30_000
/** Milliseconds that a caller with an allowed `get` waits for an answer before the last one is used. */
const patience = 1000
const retryAfter = 5
/**
 * Milliseconds in which a repository that anonymous callers could access is exempt from the ration of
 * anonymous questions.
 */
const openFor = 24 * 3_600_000
const verbsOf: Readonly<Record<Action, readonly Verb[]>> = {
  pull: ['get'],
  push: ['create', 'update'],
  delete: ['delete'],
  list: ['list'],
}

/**
 * Decisions of Kubernetes RBAC, by SubjectAccessReview on `repositories.registry.trow.io`: the first segment
 * of a name is the namespace, the rest the name; a name of one segment is cluster-scoped. One review for each
 * caller, verb and repository while its answer is valid: an allow 30 s, a deny 5 s. While the API server does
 * not answer, an allowed `get` stays allowed for ten minutes from its last confirmation, and waits a second at most.
 */
export class Reviews {
  readonly #cluster: ClusterReviews
  readonly #now: () => Instant
  readonly #known: ExpiringCache<KnownReview>
  readonly #silent: ExpiringCache<true>
  readonly #open: ExpiringCache<true>
  readonly #strangers: Pick<Strangers, 'mayAskForRepository'> | undefined
  readonly #flights = new SingleFlight<Reviewed>()

  constructor(parts: {
    readonly cluster: ClusterReviews
    readonly now: () => Instant
    readonly capacity?: number
    /** Rations the questions about callers without a credential; undefined: no limit. */
    readonly strangers?: Pick<Strangers, 'mayAskForRepository'>
  }) {
    const { now, capacity = 20_000 } = parts
    this.#cluster = parts.cluster
    this.#now = now
    this.#known = new ExpiringCache({ capacity, now })
    this.#silent = new ExpiringCache({ capacity, now })
    this.#open = new ExpiringCache({ capacity, now })
    this.#strangers = parts.strangers
  }

  review(principal: Principal, action: Action, repository: RepositoryName): Promise<Reviewed> {
    const slash = repository.indexOf('/')
    const place =
      slash < 0
        ? { namespace: undefined, name: repository }
        : { namespace: repository.slice(0, slash), name: repository.slice(slash + 1) }
    return this.#all(principal, verbsOf[action], place)
  }

  reviewNamespace(principal: Principal, namespace: string | undefined): Promise<Reviewed> {
    return this.#all(principal, ['list'], { namespace, name: undefined })
  }

  reviewAudit(principal: Principal): Promise<Reviewed> {
    return this.#all(principal, ['list'], { resource: 'audit', namespace: undefined, name: undefined })
  }

  reviewAdmission(principal: Principal, right: AdmissionRight): Promise<Reviewed> {
    const verb = right === 'facts' ? 'get' : 'create'
    return this.#all(principal, [verb], { resource: 'admission', namespace: undefined, name: undefined })
  }

  /** Every verb must be allowed. */
  async #all(principal: Principal, verbs: readonly Verb[], place: ReviewedResource): Promise<Reviewed> {
    if (!principal.reviewable) {
      const reason = `the cluster does not vouch for this name, so it is not asked`
      return { kind: 'answered', allowed: false, reason, until: this.#now() + denyFor }
    }
    const answers = await Promise.all(verbs.map((verb) => this.#one(principal, verb, place)))
    const denied = answers.find((answer) => answer.kind === 'answered' && !answer.allowed)
    if (denied !== undefined) return denied
    const worst = answers.find(({ kind }) => kind === 'unavailable') ?? answers[0]
    if (worst === undefined || worst.kind === 'unavailable' || answers.length === 1)
      return worst ?? { kind: 'unavailable', reason: '', retryAfter }
    const until = Math.min(...answers.map((answer) => (answer.kind === 'answered' ? answer.until : 0)))
    return { ...worst, until }
  }

  async #one(principal: Principal, verb: Verb, place: ReviewedResource): Promise<Reviewed> {
    const key = JSON.stringify([
      principalKey(principal),
      verb,
      place.resource ?? null,
      place.namespace ?? null,
      place.name ?? null,
    ])
    const known = this.#known.get(key)
    const now = this.#now()
    if (known !== undefined && known.until > now) return answered(known, now)
    if (this.#silent.get(key) === true) return unavailable
    if (principal.kind === 'anonymous' && this.#isTooMuch(key)) return tooMuchOfStrangers(now)
    const asked = this.#flights.run(key, () => this.#ask(principal, { verb, ...place }, key))
    if (known === undefined) return asked
    if (isStale(known) && now < known.until + askAsideFor) {
      // The cluster did not answer a moment ago, so this caller does not wait: the next attempt may take
      // seconds to fail.
      asked.catch(() => undefined)
      return answered({ ...known, until: Math.min(now + 1000, known.confirmedAt + staleFor) }, now)
    }
    const soon = await inTime<Reviewed | undefined>(asked, AbortSignal.timeout(patience), () => undefined)
    return soon ?? this.#prolonged(verb, key) ?? asked
  }

  /**
   * Whether the ration is used up of questions about repositories that anonymous callers could not access
   * lately.
   */
  #isTooMuch(key: string): boolean {
    if (this.#open.get(key) === true || this.#flights.under(key) !== undefined) return false
    return this.#strangers?.mayAskForRepository() === false
  }

  async #ask(principal: Principal, asked: Omit<AccessReview, 'user'>, key: string): Promise<Reviewed> {
    const { name, groups, uid, extra } = principal
    const user = {
      name,
      groups,
      ...(uid === undefined ? {} : { uid }),
      ...(extra === undefined ? {} : { extra }),
    }
    let result: AccessReviewResult
    try {
      result = await this.#cluster.reviewAccess({ user, ...asked })
    } catch (error) {
      if (!(error instanceof ClusterUnavailable)) throw error
      return this.#withoutAnswer(asked.verb, key)
    }
    const now = this.#now()
    const known: KnownReview = {
      allowed: result.allowed,
      reason: wording(asked, result),
      confirmedAt: now,
      until: now + (result.allowed ? allowFor : denyFor),
    }
    if (result.allowed && principal.kind === 'anonymous') this.#open.set(key, true, now + openFor)
    this.#known.set(key, known, result.allowed && asked.verb === 'get' ? now + staleFor : known.until)
    return answered(known, now)
  }

  #withoutAnswer(verb: Verb, key: string): Reviewed {
    const last = this.#prolonged(verb, key)
    if (last !== undefined) return last
    // Requests of the next second need not wait for another timeout.
    this.#silent.set(key, true, this.#now() + 1000)
    return unavailable
  }

  /** The last answer, if it allowed a `get` and is not too old. It is used until the cluster is asked again. */
  #prolonged(verb: Verb, key: string): Reviewed | undefined {
    const now = this.#now()
    const known = verb === 'get' ? this.#known.get(key) : undefined
    if (known === undefined || !known.allowed) return undefined
    const end = known.confirmedAt + staleFor
    const next = { ...known, until: Math.min(now + askAgainAfter, end) }
    this.#known.set(key, next, end)
    return answered(next, now)
  }
}

const unavailable: Reviewed = {
  kind: 'unavailable',
  reason: 'the cluster, which knows what this caller may do, does not answer',
  retryAfter,
}

/** A denial makes a client with a credential send it; an error would lock all such clients out. */
function tooMuchOfStrangers(now: Instant): Reviewed {
  const reason = 'callers without a credential ask for too many repositories that are not open to them'
  return { kind: 'answered', allowed: false, reason, until: now + 1000 }
}

/** Whether an allow was prolonged without an answer from the cluster. */
function isStale({ allowed, until, confirmedAt }: KnownReview): boolean {
  return allowed && until > confirmedAt + allowFor
}

function answered(known: KnownReview, now: Instant): Reviewed {
  const { allowed, reason, until, confirmedAt } = known
  if (!isStale(known)) return { kind: 'answered', allowed, reason, until }
  const age = Math.round((now - confirmedAt) / 1000)
  return {
    kind: 'answered',
    allowed,
    reason: `${reason} (as of ${age} s ago: the cluster does not answer)`,
    until,
    stale: true,
  }
}

function wording(
  { verb, resource = 'repositories', namespace, name }: Omit<AccessReview, 'user'>,
  result: AccessReviewResult,
): string {
  const where = namespace === undefined ? 'cluster-wide' : `in namespace ${namespace}`
  const what = `${verb} on ${resource}.registry.trow.io${name === undefined ? '' : ` "${name}"`} ${where}`
  const said = plain(result.reason)
  return `RBAC ${result.allowed ? 'allows' : 'does not allow'} ${what}${said === '' ? '' : `: ${said}`}`
}

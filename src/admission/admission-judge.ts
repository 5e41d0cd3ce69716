import { neverBack } from '../clocks.ts'
import { makeDecision, type PolicyDecision } from '../enforcement/decision.ts'
import { PolicyCounters } from '../enforcement/policy-counters.ts'
import type { PoliciesOfNow, PolicyFeed } from '../enforcement/policy-feed.ts'
import { decide, type Answer, type ImageVerdict, type RequestedImage } from '../policy/decide.ts'
import type { ContentFact } from '../policy/image-content.ts'
import { ownRegistry, parseImageReference, type ImageReference } from '../policy/image-reference.ts'
import { refusalText, warningTexts } from '../policy/refusal-text.ts'
import type { AdmissionOutcome, DecisionRecords } from './admission-records.ts'
import type { Review } from './admission-review.ts'
import type { BreakGlass } from './break-glass.ts'
import { placeText } from './pod-images.ts'
import { uncheckedAnswer, type ReviewAnswer } from './review-answer.ts'
import type { TenantFinding, TenantRights } from './tenant-rights.ts'

/** Looks at the registry's own content for the judge. */
export interface ContentSource {
  /** Never rejects: what cannot be had is a fact that says so. `signal` ends it. */
  of(reference: ImageReference, signal: AbortSignal): Promise<ContentFact>
}

export interface AdmissionJudgeParts {
  readonly feed: Pick<PolicyFeed, 'current'>
  readonly content: ContentSource
  /** Undefined: pods are not asked whether they may pull what they name. */
  readonly tenants: TenantRights | undefined
  readonly records: DecisionRecords
  readonly counters: PolicyCounters
  /** While it is open, what would be refused is let in, and recorded. */
  readonly breakGlass?: () => BreakGlass | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly newId: () => string
}

type Judged = Extract<Review, { readonly kind: 'pod' | 'template' }>
type Settled = Extract<Answer, { readonly kind: 'allow' | 'deny' }>

interface Asked {
  readonly review: Judged
  readonly images: readonly RequestedImage[]
  readonly current: PoliciesOfNow
}

/** The API server cuts what is longer. */
const warningLimit = 256
/** Rounds of looking at content: one finds out all there is, the second is for an index and its children. */
const mostRounds = 4

/** Answers reviews of pods and of what pods are made from. */
export class AdmissionJudge {
  readonly #parts: AdmissionJudgeParts
  readonly #now: () => number

  constructor(parts: AdmissionJudgeParts) {
    this.#parts = parts
    this.#now = neverBack(parts.now)
  }

  /** `signal` fires when the answer has to be given: what is not known by then counts as not to be had. */
  async answer(review: Judged, signal: AbortSignal): Promise<ReviewAnswer> {
    const { current } = this.#parts.feed
    if (current === undefined) return uncheckedAnswer(review.uid, 'the policies have not been read yet')
    if (review.images.length === 0) return this.#allowed(review)
    const images = review.images.map((placed): RequestedImage => ({
      place: placeText(placed),
      name: placed.image,
      fact: undefined,
    }))
    const [answer, tenants] = await Promise.all([
      this.#decide({ review, images, current }, signal),
      this.#tenants({ review, images, current }, signal),
    ])
    return this.#told(review, { answer, current, tenants })
  }

  #tenants({ review, images, current }: Asked, signal: AbortSignal): Promise<readonly TenantFinding[]> {
    const { tenants } = this.#parts
    const { namespace } = review
    if (tenants === undefined || review.kind !== 'pod' || namespace === undefined) return Promise.resolve([])
    const repositories = ownRepositories(images, current)
    if (repositories.length === 0) return Promise.resolve([])
    return tenants.check({ namespace, serviceAccount: review.serviceAccount, repositories }, signal)
  }

  #allowed({ uid }: Judged): ReviewAnswer {
    return { uid, isAllowed: true, message: '', warnings: [], annotations: {} }
  }

  async #decide({ review, images: named, current: { set } }: Asked, signal: AbortSignal): Promise<Settled> {
    let images = named
    const request = { point: 'admission', namespace: review.namespace } as const
    for (let round = 0; ; round++) {
      const answer = decide({ ...request, images }, set, this.#now())
      if (answer.kind !== 'needs') return answer
      if (round === mostRounds) throw new Error('the judge asks for what it was told')
      const wanted = new Set(answer.images)
      images = await Promise.all(
        images.map(async (image) => {
          if (!wanted.has(image)) return image
          const reference = parseImageReference(image.name, set.settings)
          if (reference.kind === 'problem') return image
          return { ...image, fact: await this.#parts.content.of(reference, signal) }
        }),
      )
    }
  }

  async #told(
    review: Judged,
    {
      answer,
      current,
      tenants,
    }: {
      readonly answer: Settled
      readonly current: PoliciesOfNow
      readonly tenants: readonly TenantFinding[]
    },
  ): Promise<ReviewAnswer> {
    const { newId, records, now, breakGlass } = this.#parts
    const id = newId()
    const decision = this.#count(review, answer, current)
    const judged = outcomeOf(review, decision, tenants)
    const open = judged.isAllowed ? undefined : breakGlass?.()
    const outcome = open === undefined ? judged : ({ isAllowed: true, name: 'broken-glass' } as const)
    if (outcome.name !== 'allowed' && !review.isDryRun)
      await records.record({
        id,
        time: now(),
        review,
        outcome: outcome.name,
        judgement: decision.judgement,
        tenants,
      })
    const findings = decision.judgement?.findings ?? []
    const reasons = [...new Set([...findings, ...tenants].map(({ reason }) => reason))].join(' ')
    return {
      uid: review.uid,
      isAllowed: outcome.isAllowed,
      message: outcome.isAllowed ? '' : messageOf(answer.verdicts, tenants, review.isDryRun ? undefined : id),
      warnings: [...openWarnings(open), ...warningsOf(review, answer.verdicts, tenants)],
      annotations: outcome.name === 'allowed' ? {} : { decision: outcome.name, reason: reasons, id },
    }
  }

  /** Nothing of a dry run is counted (`sideEffects: NoneOnDryRun`). */
  #count(review: Judged, answer: Settled, policies: PoliciesOfNow): PolicyDecision {
    const counters = review.isDryRun ? new PolicyCounters() : this.#parts.counters
    const { namespace } = review
    const decision = makeDecision(answer, { ...policies, point: 'admission', namespace, counters })
    for (const count of decision.counts) count.count++
    return decision
  }
}

function openWarnings(open: BreakGlass | undefined): readonly string[] {
  if (open === undefined) return []
  const until = new Date(open.until).toISOString()
  return [
    `policies refuse this; break-glass lets it in until ${until}: ${open.reason}`.slice(0, warningLimit),
  ]
}

interface Outcome {
  readonly isAllowed: boolean
  readonly name: AdmissionOutcome
}

function outcomeOf(
  review: Judged,
  { isAllowed, judgement }: PolicyDecision,
  tenants: readonly TenantFinding[],
): Outcome {
  const isRefused = !isAllowed || tenants.some(({ mode }) => mode === 'enforce')
  // A template is nothing that runs, and a static pod runs whatever is said of its mirror.
  const isBinding = review.kind === 'pod' && !review.isMirror
  if (isRefused && isBinding) return { isAllowed: false, name: 'denied' }
  if (isRefused) return { isAllowed: true, name: review.kind === 'pod' ? 'would-deny' : 'warned' }
  const outcomes = new Set<string>(judgement?.findings.map(({ outcome }) => outcome))
  if (outcomes.has('warned') || tenants.some(({ mode }) => mode === 'warn'))
    return { isAllowed: true, name: 'warned' }
  if (outcomes.has('would-deny') || tenants.length > 0) return { isAllowed: true, name: 'would-deny' }
  if (outcomes.has('excepted')) return { isAllowed: true, name: 'excepted' }
  return { isAllowed: true, name: outcomes.has('unchecked') ? 'unchecked' : 'allowed' }
}

function messageOf(
  verdicts: readonly ImageVerdict[],
  tenants: readonly TenantFinding[],
  id: string | undefined,
): string {
  const refused = tenants.filter(({ mode }) => mode === 'enforce').map(({ text }) => text)
  const byPolicy = refusalText(verdicts, refused.length === 0 ? id : undefined)
  if (refused.length === 0) return byPolicy ?? 'refused by policy'
  const details = id === undefined ? [] : [`  details: trow policy explain ${id}`]
  return [...(byPolicy === undefined ? [] : [byPolicy]), ...refused, ...details].join('\n')
}

/** Of a template all that would be refused is a warning: its pods are what is refused. */
function warningsOf(
  review: Judged,
  verdicts: readonly ImageVerdict[],
  tenants: readonly TenantFinding[],
): readonly string[] {
  const shown =
    review.kind === 'pod'
      ? verdicts
      : verdicts.map((verdict) => ({ ...verdict, warnings: [...verdict.refusals, ...verdict.warnings] }))
  const warned = tenants.filter(({ mode }) => mode === 'warn').map(({ text }) => text)
  return [...warningTexts(shown), ...warned]
}

/** The registry's own repositories that the images name, each once. */
function ownRepositories(images: readonly RequestedImage[], { set }: PoliciesOfNow): readonly string[] {
  const references = images.map(({ name }) => parseImageReference(name, set.settings))
  const own = references.flatMap((reference) =>
    reference.kind === 'reference' && reference.host === ownRegistry ? [reference.path] : [],
  )
  return [...new Set(own)]
}

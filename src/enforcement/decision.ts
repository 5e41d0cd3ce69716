import { OciError } from '../oci/oci-error.ts'
import type { Answer, ImageVerdict } from '../policy/decide.ts'
import type { Refusal } from '../policy/judge-policy.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import { refusalText, warningTexts } from '../policy/refusal-text.ts'
import type { Point } from '../policy/trow-policy.ts'
import type { Judgement, PolicyFinding } from '../registry/requester.ts'
import type { PolicyCount, PolicyCounters } from './policy-counters.ts'

type Verdicts = readonly ImageVerdict[]

/** The result for a request, which is reused for equal requests. */
export interface PolicyDecision {
  /** As of `PoliciesOfNow`; so is `registryGeneration`. */
  readonly generation: number
  readonly registryGeneration: number
  readonly isAllowed: boolean
  /** Undefined: no policy has a finding. */
  readonly judgement: Judgement | undefined
  readonly verdicts: Verdicts
  /** The counters to increment each time that the decision is used. */
  readonly counts: readonly PolicyCount[]
  /** Milliseconds since 1970, from which the decision may be another one. */
  readonly until: number
}

/** Turns an answer of `decide` into a decision. */
export function makeDecision(
  answer: Extract<Answer, { kind: 'allow' | 'deny' }>,
  {
    generation,
    registryGeneration,
    set,
    point,
    namespace,
    counters,
  }: {
    readonly generation: number
    readonly registryGeneration: number
    readonly set: PolicySet
    readonly point: Point
    /** Undefined: none is known. */
    readonly namespace?: string | undefined
    readonly counters: PolicyCounters
  },
): PolicyDecision {
  const { verdicts } = answer
  const findings = verdicts.flatMap(findingsOf)
  return {
    generation,
    registryGeneration,
    isAllowed: answer.kind === 'allow',
    judgement: findings.length === 0 ? undefined : { findings, warnings: warningTexts(verdicts) },
    verdicts,
    counts: countsOf(findings, set.select(point, namespace), point, counters),
    until: answer.until ?? Infinity,
  }
}

/** Whether no policy has a finding about any of the images. */
export function isPlain(verdicts: Verdicts): boolean {
  return verdicts.every(
    ({ refusals, warnings, wouldDeny, excepted, unchecked }) =>
      refusals.length + warnings.length + wouldDeny.length + excepted.length + unchecked.length === 0,
  )
}

/** The reason of a refusal, on one line, for its audit record. */
export function refusalReason(verdicts: Verdicts): string {
  const [first] = verdicts.flatMap(({ refusals }) => refusals)
  if (first === undefined) return ''
  const by = first.policy === '' ? 'the settings' : `policy ${first.policy}`
  return `${by}: ${first.reason} ${first.detail}`
}

/** `id`: under which the refusal is recorded. */
export function denial({ verdicts, judgement }: PolicyDecision, id: string | undefined): OciError {
  return new OciError('DENIED', refusalText(verdicts, id) ?? 'refused by policy', {
    detail: { policies: judgement?.findings ?? [] },
  })
}

function findingsOf({ refusals, warnings, wouldDeny, excepted, unchecked }: ImageVerdict): PolicyFinding[] {
  const as =
    (outcome: PolicyFinding['outcome'], exception?: string) =>
    ({ policy, reason, rule }: Refusal): PolicyFinding => ({ policy, outcome, reason, rule, exception })
  return [
    ...refusals.map(as('denied')),
    ...warnings.map(as('warned')),
    ...wouldDeny.map(as('would-deny')),
    ...excepted.map(({ exception, refusal }) => as('excepted', exception)(refusal)),
    ...unchecked.map(as('unchecked')),
  ]
}

const decisions = {
  denied: 'deny',
  warned: 'warn',
  'would-deny': 'would-deny',
  excepted: 'excepted',
  unchecked: 'unchecked',
} as const

/** For each policy that applies at the point: a counter for each of its findings, or for `allow`. */
function countsOf(
  findings: readonly PolicyFinding[],
  judging: ReturnType<PolicySet['select']>,
  point: Point,
  counters: PolicyCounters,
): PolicyCount[] {
  const counts = judging.flatMap(({ policy: { name: policy, modes } }) => {
    const mode = modes[point]
    const own = findings.filter((finding) => finding.policy === policy)
    if (own.length === 0) return counters.of({ point, policy, mode, decision: 'allow', reason: '' })
    return own.map(({ outcome, reason }) =>
      counters.of({ point, policy, mode, decision: decisions[outcome], reason }),
    )
  })
  const none = findings.filter(({ policy }) => policy === '')
  return [
    ...counts,
    ...none.map(({ reason }) =>
      counters.of({ point, policy: '', mode: 'enforce', decision: 'deny', reason }),
    ),
  ]
}

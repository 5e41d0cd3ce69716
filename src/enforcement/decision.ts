import { OciError } from '../oci/oci-error.ts'
import type { Answer, ImageVerdict } from '../policy/decide.ts'
import type { Refusal } from '../policy/judge-policy.ts'
import type { PolicySet } from '../policy/policy-set.ts'
import { refusalText, warningTexts } from '../policy/refusal-text.ts'
import type { Point } from '../policy/trow-policy.ts'
import type { Judgement, PolicyFinding } from '../registry/requester.ts'
import type { PolicyCount, PolicyCounters } from './policy-counters.ts'

type Verdicts = readonly ImageVerdict[]

/** What becomes of a request, as often as it is made. */
export interface Decision {
  readonly generation: number
  readonly isAllowed: boolean
  /** Undefined: no policy has anything to say. */
  readonly judgement: Judgement | undefined
  readonly verdicts: Verdicts
  /** What goes up each time that it is made. */
  readonly counts: readonly PolicyCount[]
  /** Milliseconds since 1970, from which on it may be another one. */
  readonly until: number
}

/** An answer as the doors need it. */
export function makeDecision(
  answer: Extract<Answer, { kind: 'allow' | 'deny' }>,
  {
    generation,
    set,
    point,
    counters,
  }: {
    readonly generation: number
    readonly set: PolicySet
    readonly point: Point
    readonly counters: PolicyCounters
  },
): Decision {
  const { verdicts } = answer
  const findings = verdicts.flatMap(findingsOf)
  return {
    generation,
    isAllowed: answer.kind === 'allow',
    judgement: findings.length === 0 ? undefined : { findings, warnings: warningTexts(verdicts) },
    verdicts,
    counts: countsOf(findings, set, point, counters),
    until: answer.until ?? Infinity,
  }
}

/** The one line of the audit's record of a refusal. */
export function refusalReason(verdicts: Verdicts): string {
  const [first] = verdicts.flatMap(({ refusals }) => refusals)
  if (first === undefined) return ''
  const by = first.policy === '' ? 'the settings' : `policy ${first.policy}`
  return `${by}: ${first.reason} ${first.detail}`
}

/** `id`: under which the refusal is on record. */
export function denial({ verdicts, judgement }: Decision, id: string | undefined): OciError {
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

/** Of each policy that judges there what it found, or that it allows. */
function countsOf(
  findings: readonly PolicyFinding[],
  set: PolicySet,
  point: Point,
  counters: PolicyCounters,
): PolicyCount[] {
  const counts = set.select(point, undefined).flatMap(({ policy: { name: policy, modes } }) => {
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

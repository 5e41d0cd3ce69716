import type { PolicyCondition, PolicyObjectStatus } from '../cluster/policy-object.ts'
import type { Instant } from '../instant.ts'
import type { UnitOutcome } from './policy-source.ts'

const longest = 1000

/** What stands in the object's `status` of its outcome. A condition that stays as it was keeps its time. */
export function objectStatus(
  outcome: UnitOutcome,
  {
    before,
    expires,
    now,
  }: {
    readonly before: PolicyObjectStatus | undefined
    /** Of an exception. */
    readonly expires: Instant | undefined
    readonly now: Instant
  },
): PolicyObjectStatus {
  const observedGeneration = Number(outcome.version.split('/').at(-1))
  const problems = outcome.problems.map(({ message }) => message.slice(0, longest).toWellFormed())
  const isOver = expires !== undefined && expires <= now
  const conditions = [accepted(problems), isOver ? over : enforcing(outcome)].map((said): PolicyCondition => {
    const same = before?.conditions?.find(({ type, status }) => type === said.type && status === said.status)
    const time = `${new Date(now).toISOString().slice(0, 19)}Z`
    return { ...said, observedGeneration, lastTransitionTime: same?.lastTransitionTime ?? time }
  })
  return {
    observedGeneration,
    ...(outcome.hash === undefined || !outcome.inForce ? {} : { hash: outcome.hash }),
    conditions,
    ...(problems.length === 0 ? {} : { problems }),
  }
}

/** Whether that stands there. */
export function isSaid(status: PolicyObjectStatus, there: PolicyObjectStatus | undefined): boolean {
  return there !== undefined && textOf(status) === textOf(there)
}

type Said = Pick<PolicyCondition, 'type' | 'status' | 'reason' | 'message'>

const over: Said = {
  type: 'Enforcing',
  status: 'False',
  reason: 'Expired',
  message: 'it has ended, and lifts nothing',
}

function accepted(problems: readonly string[]): Said {
  const [first] = problems
  if (first === undefined)
    return { type: 'Accepted', status: 'True', reason: 'Loaded', message: 'it is taken as it is' }
  const more = problems.length === 1 ? '' : `, and ${problems.length - 1} more`
  return { type: 'Accepted', status: 'False', reason: 'Invalid', message: `${first}${more}` }
}

function enforcing({ inForce, note, problems }: UnitOutcome): Said {
  const type = 'Enforcing'
  if (inForce && note !== undefined) return { type, status: 'False', reason: 'Unconfirmed', message: note }
  if (inForce && problems.length === 0)
    return { type, status: 'True', reason: 'InForce', message: 'the registry judges by it' }
  if (inForce)
    return {
      type,
      status: 'True',
      reason: 'LastGood',
      message: 'the registry judges by what was last good of it',
    }
  return {
    type,
    status: 'False',
    reason: problems.length === 0 ? 'Waiting' : 'Invalid',
    message:
      problems.length === 0
        ? 'nothing is in force until every policy and exception of the cluster loads'
        : 'nothing of it was ever good: the registry does not judge by it',
  }
}

function textOf({ observedGeneration, hash, conditions = [], problems = [] }: PolicyObjectStatus): string {
  const said = conditions.map((each) => [each.type, each.status, each.reason, each.message].join('\n')).sort()
  return JSON.stringify([observedGeneration, hash, said, problems])
}

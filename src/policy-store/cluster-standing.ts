import type { KubeObject } from '../cluster/cluster-objects.ts'
import { policyStatusSchema, type PolicyKind } from '../cluster/policy-object.ts'
import type { Instant } from '../instant.ts'
import type { ExceptionSettings } from '../policy/trow-exception.ts'
import { unitOf } from './object-unit.ts'
import type { UnitProblem } from './policy-source.ts'
import { silenceLimit, unitStatuses, type PolicyStatus } from './policy-status.ts'
import { loadObjects, type JudgedUnit } from './unit-book.ts'

/** What the registry says about an object in the object's status. */
export interface Standing {
  /** The present version is in force, or is an exception that has ended. */
  readonly isInForce: boolean
  /** `metadata.generation`. */
  readonly generation: number
  /** Why it is not in force. */
  readonly problems: readonly UnitProblem[]
}

export interface ClusterUnit {
  readonly kind: PolicyKind
  readonly object: KubeObject
}

export function standingOf({ kind, object }: ClusterUnit, now: Instant): Standing {
  const { generation = 0 } = object.metadata
  const status = policyStatusSchema.safeParse(object['status']).data ?? {}
  const find = (wanted: string) =>
    status.conditions?.find(
      ({ type, observedGeneration }) => type === wanted && observedGeneration === generation,
    )
  const [accepted, enforcing] = [find('Accepted'), find('Enforcing')]
  if (accepted === undefined || enforcing === undefined)
    return { isInForce: false, generation, problems: unseen({ kind, object }, now) }
  const isEffective = enforcing.status === 'True' || enforcing.reason === 'Expired'
  const isInForce = accepted.status === 'True' && isEffective
  const said = status.problems ?? (isInForce ? [] : [enforcing.message])
  return { isInForce, generation, problems: said.map((message) => ({ place: undefined, message })) }
}

/** The status of a cluster's policies as far as the objects tell it. Generation and hash are not known. */
export function clusterStatus(
  units: readonly ClusterUnit[],
  source: string,
  settings: ExceptionSettings,
): PolicyStatus {
  const { now } = settings
  const judged = units.map((unit) => judgedUnit(unit, settings))
  return {
    source,
    generation: undefined,
    hash: undefined,
    inForceSince: undefined,
    lastSync: now,
    away: undefined,
    fromDisk: false,
    ok: units.every((unit) => standingOf(unit, now).isInForce),
    units: unitStatuses(judged, [], ({ kind, value }) => kind === 'TrowPolicy' || value.expires > now),
    notes: [],
  }
}

function judgedUnit(unit: ClusterUnit, settings: ExceptionSettings): JudgedUnit {
  const { name, version, changedBy, changedAt, documents: read } = unitOf(unit.kind, unit.object)
  const documents = read.map(({ value }) => value)
  const { objects } = loadObjects(documents, settings)
  return {
    name,
    version,
    problems: standingOf(unit, settings.now).problems,
    good: { name, version, changedBy, changedAt, documents, objects },
  }
}

/** The registry has not looked at the present version yet, or has not been able to say so. */
function unseen({ kind, object }: ClusterUnit, now: Instant): UnitProblem[] {
  const { changedAt } = unitOf(kind, object)
  const age = changedAt === undefined ? undefined : now - changedAt
  const message =
    age === undefined || age <= silenceLimit
      ? 'the registry has not said yet whether it is in force'
      : `the registry has said nothing about it for ${Math.round(age / 1000)} s: is it running, and may it watch policies?`
  return [{ place: undefined, message }]
}

import { counted } from '../counted.ts'
import type { Check } from '../cluster/check.ts'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import {
  policyStatusSchema,
  type PolicyCondition,
  type PolicyObjectStatus,
} from '../cluster/policy-object.ts'
import { hidden, type Seen } from './look.ts'

export interface PoliciesFound {
  readonly definitions: readonly Seen<KubeObject | undefined>[]
  readonly policies: Seen<readonly KubeObject[]>
  readonly exceptions: Seen<readonly KubeObject[]>
}

/** Milliseconds that a change has until it is in force. */
const patience = 10_000
const inForce = 'the registry judges by the policies as they are written'

/** Checks whether the registry has taken every policy and exception of the cluster. */
export function policyChecks({ definitions, policies, exceptions }: PoliciesFound, now: number): Check[] {
  if (definitions.includes(undefined))
    return [
      {
        description: 'the cluster has policies',
        result: 'error',
        error:
          'a CustomResourceDefinition of policies or exceptions is missing: what was last good stays in force',
        hint: 'trow install brings it again.',
      },
    ]
  if (policies === hidden || exceptions === hidden) return []
  const all = [...policies, ...exceptions]
  const problems = all.flatMap((object) => problemOf(object, now) ?? [])
  if (problems.length > 0) return problems
  const description =
    all.length === 0
      ? 'there is no policy: every image is allowed'
      : `${inForce} (${counted(policies.length, 'TrowPolicy', 'TrowPolicies')}, ${counted(exceptions.length, 'TrowException')})`
  return [{ description, result: 'success' }]
}

/** The hash of policies and exceptions at a time (ms since 1970), as the floor has it. */
export type PoliciesHash = (objects: readonly KubeObject[], now: number) => string

/**
 * The hashes that a floor of the present policies may have: an exception that has just ended may be in it still. Undefined: they cannot be
 * read, are not all in force as they are written, or were changed just now.
 */
export function settledHashes(
  { policies, exceptions }: PoliciesFound,
  now: number,
  hashOf: PoliciesHash,
): readonly string[] | undefined {
  if (policies === hidden || exceptions === hidden) return undefined
  const all = [...policies, ...exceptions]
  const isSettled = all.every(
    (object) => problemOf(object, now) === undefined && now - changedAt(object) >= patience,
  )
  return isSettled ? [hashOf(all, now), hashOf(all, now - patience)] : undefined
}

function problemOf(object: KubeObject, now: number): Check | undefined {
  const { kind, metadata } = object
  const name = `${kind} ${metadata.name}`
  const status = policyStatusSchema.safeParse(object['status']).data ?? {}
  if (status.observedGeneration !== metadata.generation) {
    if (now - changedAt(object) < patience) return undefined
    return {
      description: inForce,
      result: 'error',
      error: `the registry is silent about ${name}: it has not looked at it since its last change`,
      hint: `trow policy status says what the registry hears; what was last good of it stays in force.`,
    }
  }
  const [accepted, enforcing] = [conditionOf(status, 'Accepted'), conditionOf(status, 'Enforcing')]
  if (accepted?.status !== 'False') return undefined
  const stays =
    enforcing?.status === 'True' ? 'what was last good of it stays in force' : 'nothing of it is in force'
  return {
    description: inForce,
    result: 'error',
    error: `${name} is not accepted: ${accepted.message}`,
    hint: `Correct it (kubectl describe ${kind.toLowerCase()} ${metadata.name} shows every problem): ${stays}.`,
  }
}

function conditionOf({ conditions = [] }: PolicyObjectStatus, wanted: string): PolicyCondition | undefined {
  return conditions.find(({ type }) => type === wanted)
}

/** The latest time that the API server has noted, in milliseconds since the epoch. */
function changedAt({ metadata }: KubeObject): number {
  const fields = Array.isArray(metadata['managedFields']) ? (metadata['managedFields'] as unknown[]) : []
  const times = fields.flatMap((entry) => {
    const { time, subresource } = (entry ?? {}) as { readonly time?: unknown; readonly subresource?: unknown }
    return subresource === 'status' || typeof time !== 'string' ? [] : [Date.parse(time)]
  })
  return Math.max(
    Date.parse(metadata.creationTimestamp ?? '') || 0,
    ...times.filter((time) => !Number.isNaN(time)),
  )
}

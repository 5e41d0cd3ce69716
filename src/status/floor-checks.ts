import { z } from 'zod'
import { admissionNames, floorAnnotations, floorParts } from '../cluster/admission-layout.ts'
import type { Check } from '../cluster/check.ts'
import type { KubeObject } from '../cluster/cluster-objects.ts'
import { lastForeignSpec } from '../cluster/field-managers.ts'
import { hidden, type Look, type Seen } from './look.ts'

/** The three objects of the floor. */
export interface FloorFound {
  readonly binding: Seen<KubeObject | undefined>
  readonly policy: Seen<KubeObject | undefined>
  readonly parameters: Seen<KubeObject | undefined>
}

export interface FloorView {
  readonly namespace: string
  /** Hashes that the floor of the present policies and exceptions may have; undefined: they are not known, or change just now. */
  readonly hashes: readonly string[] | undefined
  /** Whether break-glass is open, which takes the binding away. */
  readonly isOpen: boolean
  /** What the API server lacks for a floor. */
  readonly lacks: readonly string[]
}

const [bindingReference, policyReference, parametersReference] = floorParts
/** Field managers of trow: what the admission pods write, and `trow policy export vap` applied by an install. */
const ownManagers = [admissionNames.manager]
const description = 'the floor in the API server refuses names while trow is down'
const parametersSchema = z.object({
  noPolicy: z.string().optional(),
  policies: z.array(z.object({ name: z.string(), enforce: z.boolean() })),
})

export async function findFloor(look: Look): Promise<FloorFound> {
  const [binding, policy, parameters] = await Promise.all([
    look.get(bindingReference),
    look.get(policyReference),
    look.get(parametersReference),
  ])
  return { binding, policy, parameters }
}

/** Checks whether the API server refuses by the policies as they are, and whether somebody else has changed what it refuses by. */
export function floorChecks(found: FloorFound, view: FloorView): Check[] {
  const { binding, policy, parameters } = found
  if (view.lacks.length > 0)
    return [
      {
        description,
        result: 'warning',
        error: `there is none: ${view.lacks.join('; ')}`,
        hint: 'With --admission-failure-policy fail nothing is made while trow is down.',
      },
    ]
  if (binding === hidden || policy === hidden || parameters === hidden) return []
  const hint = `The admission pod that holds the Lease writes it again: kubectl -n ${view.namespace} logs deployment/${admissionNames.workload}`
  const problem = problemOf({ binding, policy, parameters }, view)
  if (problem !== undefined) return [{ description, result: 'error', error: problem, hint }]
  const changes = changeChecks([binding, policy, parameters])
  return [{ description: standing(parameters, view), result: 'success' }, ...changes]
}

interface Present {
  readonly binding: KubeObject | undefined
  readonly policy: KubeObject | undefined
  readonly parameters: KubeObject | undefined
}

function problemOf(
  { binding, policy, parameters }: Present,
  { hashes, isOpen }: FloorView,
): string | undefined {
  const missing = (what: KubeObject | undefined, { kind, name }: { kind: string; name: string }): string[] =>
    what === undefined ? [`${kind} ${name}`] : []
  const gone = [...missing(parameters, parametersReference), ...missing(policy, policyReference)]
  const isNeeded = enforcingOf(parameters).length > 0
  if (binding === undefined && isNeeded && !isOpen) gone.push(...missing(binding, bindingReference))
  if (gone.length > 0) {
    const closed = parameters === undefined && binding !== undefined && policy !== undefined
    return `${gone.join(' and ')} ${gone.length === 1 ? 'is' : 'are'} missing: ${closed ? 'every pod outside of the excluded namespaces is refused' : 'the floor is open'}`
  }
  const made = parameters?.metadata.annotations?.[floorAnnotations.hash] ?? ''
  if (hashes === undefined || hashes.includes(made)) return undefined
  return `it is not that of the policies: it was made at ${sinceOf(parameters)}, of other ones`
}

function standing(parameters: KubeObject | undefined, { hashes, isOpen }: FloorView): string {
  const enforcing = enforcingOf(parameters)
  if (isOpen) return 'the floor in the API server is open by break-glass'
  if (enforcing.length === 0)
    return 'the floor in the API server refuses nothing: no policy enforces at admission'
  const step = hashes === undefined ? '' : ', in step with them'
  return `${description}: by ${enforcing.join(', ')}${step}, since ${sinceOf(parameters)}`
}

function enforcingOf(parameters: KubeObject | undefined): readonly string[] {
  const { data } = parametersSchema.safeParse(parameters?.['spec'])
  const names = data?.policies.flatMap(({ enforce, name }) => (enforce ? name : [])) ?? []
  return data?.noPolicy === 'deny' ? [...names, 'policy-unjudged: deny'] : names
}

function sinceOf(parameters: KubeObject | undefined): string {
  return parameters?.metadata.annotations?.[floorAnnotations.since] ?? 'an unknown time'
}

function changeChecks(objects: readonly (KubeObject | undefined)[]): Check[] {
  return objects.flatMap((object): Check[] => {
    const change = object && lastForeignSpec(object, ownManagers)
    if (object === undefined || change === undefined) return []
    return [
      {
        description: 'the floor is as trow has written it',
        result: 'warning',
        error: `${change.manager} has written ${object.kind} ${object.metadata.name} at ${new Date(change.time).toISOString()}`,
        hint: 'The admission pods put back what differs.',
      },
    ]
  })
}

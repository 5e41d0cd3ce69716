import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { layoutOf } from '../cluster/layout.ts'
import { everyPolicy } from '../cluster/policy-object.ts'
import { apply, applyAll, asked, referenceOf } from './apply.ts'
import { nameOf } from './cluster-error.ts'
import type { InstallContext } from './install-context.ts'
import type { InstallSettings } from './install-settings.ts'
import type { Remembered } from './remembered.ts'
import { place, readTemplate } from './template.ts'
import { waitUntil, type WaitOutcome } from './waiting.ts'

export interface WantedPolicies {
  /** CustomResourceDefinitions of policies, exceptions and the floor. */
  readonly definitions: readonly KubeObject[]
  /** The first policy; undefined if it was made before, or is not wanted. */
  readonly baseline: KubeObject | undefined
}

/** The CustomResourceDefinitions of policies, exceptions and the parameters of the floor. */
export function policyDefinitions(settings: InstallSettings): KubeObject[] {
  const layout = layoutOf(settings.namespace)
  return [
    ...readTemplate('policy-crds').map((object) => place(object, layout, 'policy')),
    ...readTemplate('floor-crd').map((object) => place(object, layout, 'floor')),
  ]
}

/** The first policy. */
export function baselinePolicy(settings: InstallSettings): KubeObject {
  const [object] = readTemplate('baseline')
  if (object === undefined) throw new Error('templates/baseline.yaml is empty')
  return place(object, layoutOf(settings.namespace), 'policy')
}

/** Returns whether no install has settled it before, and the cluster has no policy at all. */
export async function wantsBaseline(
  cluster: ClusterObjects,
  remembered: Remembered | undefined,
): Promise<boolean> {
  if (remembered?.baseline === true) return false
  return (await cluster.list(everyPolicy('TrowPolicy'))).length === 0
}

/** Brings the definitions, waits until the API server serves them, and makes the first policy where it is wanted. */
export async function applyPolicies(
  context: InstallContext,
  { definitions, baseline }: WantedPolicies,
): Promise<void> {
  await applyAll(context, definitions)
  await waitUntil(context, 'policies are served', () => lookAtDefinitions(context, definitions))
  if (baseline !== undefined) await apply(context, baseline)
}

async function lookAtDefinitions(
  context: InstallContext,
  definitions: readonly KubeObject[],
): Promise<WaitOutcome> {
  const found = await Promise.all(
    definitions.map(async (definition) => {
      const reference = referenceOf(definition)
      return {
        reference,
        object: await asked(context, nameOf(reference), () => context.cluster.get(reference)),
      }
    }),
  )
  const reasons = found.flatMap(({ reference, object }) => {
    const problem = problemOf(object)
    return problem === undefined ? [] : [{ text: `${nameOf(reference)}: ${problem}` }]
  })
  if (reasons.length === 0) return { done: true }
  // One that an uninstall has left on its way out was not changed by the apply.
  for (const [index, { object }] of found.entries()) {
    const definition = definitions[index]
    if (object === undefined && definition !== undefined) await apply(context, definition)
  }
  return { done: false, reasons }
}

function problemOf(definition: KubeObject | undefined): string | undefined {
  if (definition === undefined) return 'it is not there yet'
  if (definition.metadata.deletionTimestamp !== undefined) return 'it is being deleted with its objects'
  // A definition that was made just now has null.
  const { conditions } = (definition['status'] ?? {}) as {
    readonly conditions?: readonly {
      readonly type: string
      readonly status: string
      readonly message?: string
    }[]
  }
  if (conditions?.some(({ type, status }) => type === 'Established' && status === 'True')) return undefined
  const refused = conditions?.find(({ type, status }) => type === 'NamesAccepted' && status === 'False')
  return refused?.message ?? 'the API server does not serve it yet'
}

import { isDeepStrictEqual } from 'node:util'
import { floorParts } from '../cluster/admission-layout.ts'
import type { ClusterObjects, KubeObject, KubeReference } from '../cluster/cluster-objects.ts'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import { labels } from '../cluster/layout.ts'
import { referenceOf } from './apply.ts'
import { explained, nameOf } from './cluster-error.ts'
import { layoutOf } from '../cluster/layout.ts'
import type { InstallSettings } from './install-settings.ts'

export interface PlannedObject {
  readonly object: KubeObject
  readonly action: 'create' | 'change' | 'keep'
  /** Paths of the fields that change: `spec.template.spec.containers.0.image`. */
  readonly fields: readonly string[]
}

export interface Plan {
  readonly objects: readonly PlannedObject[]
  /** Objects of an earlier install that are no longer wanted. */
  readonly extraneous: readonly KubeReference[]
}

/**
 * Finds out by dry runs what the API server would do with these objects. Throws UserError as `explained`, so
 * that a conflict is known before anything changes.
 */
export async function makePlan(
  cluster: ClusterObjects,
  settings: InstallSettings,
  wanted: readonly KubeObject[],
  options: { readonly force: boolean },
): Promise<Plan> {
  const objects = await Promise.all(wanted.map((object) => planned(cluster, object, options.force)))
  return { objects, extraneous: await extraneousObjects(cluster, settings, wanted) }
}

export function changes({ objects }: Plan): PlannedObject[] {
  return objects.filter(({ action }) => action !== 'keep')
}

async function planned(cluster: ClusterObjects, object: KubeObject, force: boolean): Promise<PlannedObject> {
  const reference = referenceOf(object)
  try {
    const before = await cluster.get(reference)
    if (before === undefined) return { object, action: 'create', fields: [] }
    const after = await cluster.apply(object, { dryRun: true, force })
    const fields = differences(essence(before), essence(after))
    return { object, action: fields.length === 0 ? 'keep' : 'change', fields }
  } catch (error) {
    // Its namespace, or another object that it needs, does not exist yet.
    if (error instanceof ClusterFault && error.status === 404) return { object, action: 'create', fields: [] }
    throw explained(error, nameOf(reference))
  }
}

function essence({ metadata, ...rest }: KubeObject): Record<string, unknown> {
  const { labels: own = {}, annotations = {} } = metadata
  return { ...rest, status: undefined, metadata: { labels: own, annotations } }
}

function differences(before: unknown, after: unknown, path = ''): string[] {
  if (isDeepStrictEqual(before, after)) return []
  if (!isRecord(before) || !isRecord(after)) return [path]
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
    differences(before[key], after[key], path === '' ? key : `${path}.${key}`),
  )
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

const rbac = 'rbac.authorization.k8s.io/v1'
const perNamespace: readonly (readonly [string, string])[] = [
  ['v1', 'ServiceAccount'],
  ['v1', 'Service'],
  ['v1', 'ResourceQuota'],
  ['apps/v1', 'StatefulSet'],
  ['apps/v1', 'DaemonSet'],
  ['apps/v1', 'Deployment'],
  ['policy/v1', 'PodDisruptionBudget'],
  ['networking.k8s.io/v1', 'NetworkPolicy'],
  ['networking.k8s.io/v1', 'Ingress'],
  [rbac, 'Role'],
  [rbac, 'RoleBinding'],
]
const ofCluster: readonly (readonly [string, string])[] = [
  [rbac, 'ClusterRole'],
  [rbac, 'ClusterRoleBinding'],
  ['admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration'],
  ['admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicy'],
  ['admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicyBinding'],
]

/**
 * Secrets, ConfigMaps, claims and volumes may hold data that someone needs; they are never extraneous. The floor is what the admission
 * pods make of policies; who wants no admission pods wants no floor.
 */
async function extraneousObjects(
  cluster: ClusterObjects,
  settings: InstallSettings,
  wanted: readonly KubeObject[],
): Promise<KubeReference[]> {
  const kept = settings.admission ? floorParts : []
  const keys = new Set([...wanted.map((object) => referenceOf(object)), ...kept].map((each) => nameOf(each)))
  const { namespace, nodeNamespace } = layoutOf(settings.namespace)
  const labelSelector = Object.entries({ ...labels.partOf, 'app.kubernetes.io/managed-by': 'trow' })
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
  const selections = [
    ...ofCluster.map(([apiVersion, kind]) => ({ apiVersion, kind, labelSelector })),
    ...[namespace, nodeNamespace].flatMap((each) =>
      perNamespace.map(([apiVersion, kind]) => ({ apiVersion, kind, namespace: each, labelSelector })),
    ),
  ]
  const found = await Promise.all(
    selections.map(async (selection) => {
      try {
        const list = await cluster.list(selection)
        return list.map((object) =>
          referenceOf({ ...object, apiVersion: selection.apiVersion, kind: selection.kind }),
        )
      } catch (error) {
        // A kind that this cluster does not know has no objects.
        if (error instanceof ClusterFault && error.status === 404) return []
        throw explained(error, selection.kind)
      }
    }),
  )
  return found.flat().filter((reference) => !keys.has(nameOf(reference)))
}

import { admissionNames } from '../cluster/admission-layout.ts'
import type { ClusterObjects, KubeObject, KubeReference } from '../cluster/cluster-objects.ts'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { Layout } from '../cluster/layout.ts'
import { definitionName, everyPolicy, policyKinds } from '../cluster/policy-object.ts'

export interface UninstallPlan {
  /**
   * Pods that run images from this registry: `team-a/web (n1)`. They go on running; a pod that restarts on
   * another node cannot pull any more.
   */
  readonly users: readonly string[]
  /** In the order of their removal. */
  readonly objects: readonly KubeReference[]
  /** What stays, and why. */
  readonly kept: readonly string[]
  /** Claims that stay, with the data. */
  readonly claims: readonly KubeReference[]
  /** How many policies and exceptions go with their definitions. */
  readonly policies: number
}

/** In the order of their removal; namespaces are removed last. */
const kinds: readonly { readonly apiVersion: string; readonly kind: string; readonly scoped: boolean }[] = [
  { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration', scoped: false },
  { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration', scoped: false },
  { apiVersion: 'apps/v1', kind: 'DaemonSet', scoped: true },
  { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicyBinding', scoped: false },
  { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicy', scoped: false },
  { apiVersion: 'policy.trow.io/v1alpha1', kind: 'TrowFloor', scoped: false },
  { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', scoped: true },
  { apiVersion: 'apps/v1', kind: 'StatefulSet', scoped: true },
  { apiVersion: 'apps/v1', kind: 'Deployment', scoped: true },
  { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', scoped: true },
  { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', scoped: true },
  { apiVersion: 'v1', kind: 'Service', scoped: true },
  { apiVersion: 'v1', kind: 'ConfigMap', scoped: true },
  { apiVersion: 'v1', kind: 'Secret', scoped: true },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'RoleBinding', scoped: true },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', scoped: true },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', scoped: false },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', scoped: false },
  { apiVersion: 'v1', kind: 'ServiceAccount', scoped: true },
  { apiVersion: 'v1', kind: 'ResourceQuota', scoped: true },
  { apiVersion: 'batch/v1', kind: 'Job', scoped: true },
  { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', scoped: true },
]
const definitions = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  scoped: false,
}
const claims = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', scoped: true }
const volumes = { apiVersion: 'v1', kind: 'PersistentVolume', scoped: false }
const namespaces = { apiVersion: 'v1', kind: 'Namespace', scoped: false }

const labelSelector = 'app.kubernetes.io/part-of=trow'

/** Returns what an uninstall would remove; changes nothing. `objects` is empty if nothing is installed. */
export async function planUninstall(
  { objects, layout }: { readonly objects: ClusterObjects; readonly layout: Layout },
  {
    purge,
    keepNamespace,
    host,
  }: { readonly purge: boolean; readonly keepNamespace: boolean; readonly host: string },
): Promise<UninstallPlan> {
  const find = async (kind: (typeof kinds)[number]): Promise<KubeReference[]> => {
    const found = await objects
      .list({ apiVersion: kind.apiVersion, kind: kind.kind, labelSelector })
      .catch(unknown)
    return found.filter(isOurs(layout)).map(({ metadata: { name, namespace } }) => ({
      apiVersion: kind.apiVersion,
      kind: kind.kind,
      name,
      ...(namespace === undefined ? {} : { namespace }),
    }))
  }
  const found: KubeReference[] = []
  for (const kind of kinds) found.push(...(await find(kind)))
  // Made by a person, without labels; the next install is not to begin opened.
  const glass = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: admissionNames.breakGlass,
    namespace: layout.namespace,
  }
  if (found.length > 0 && (await objects.get(glass)) !== undefined) found.push(glass)
  // A StatefulSet's claims have the labels of its template.
  const [data, disks, spaces] = await Promise.all([find(claims), find(volumes), find(namespaces)])
  const kept: string[] = []
  let policies = 0
  for (const definition of await find(definitions)) {
    const { kind } = policyKinds.find(({ plural }) => definitionName(plural) === definition.name) ?? {}
    const own = kind === undefined ? [] : await objects.list(everyPolicy(kind))
    if (purge || own.length === 0) {
      found.push(definition)
      policies += own.length
    } else kept.push(`${print(definition)} with ${own.length} of its objects: --purge deletes them`)
  }
  if (purge) {
    found.push(...data, ...disks)
    kept.push(...(await localFolders(objects)))
  } else
    for (const { kind, namespace, name } of data)
      kept.push(`${kind} ${namespace}/${name}: --purge deletes the data`)
  for (const space of spaces) {
    const holdsData = !purge && data.some(({ namespace }) => namespace === space.name)
    if (keepNamespace || holdsData)
      kept.push(`Namespace ${space.name}: ${holdsData ? 'the data is in it' : '--keep-namespace'}`)
    else found.push(space)
  }
  const users = await usersOf(objects, host, layout)
  return { users, objects: found, kept, claims: purge ? [] : data, policies }
}

/** Returns the folders of nodes (--storage local): deleting an object does not delete their content. */
async function localFolders(objects: ClusterObjects): Promise<string[]> {
  const found = await objects.list({ ...volumes, labelSelector })
  return found.flatMap(({ spec }) => {
    const { local, nodeAffinity } = (spec ?? {}) as LocalVolumeSpec
    const [term] = nodeAffinity?.required?.nodeSelectorTerms ?? []
    const node = term?.matchExpressions?.flatMap(({ values = [] }) => values).join(', ') ?? 'its node'
    return local === undefined ? [] : [`folder ${local.path} of ${node}: rm -r it there deletes the data`]
  })
}

interface LocalVolumeSpec {
  readonly local?: { readonly path: string }
  readonly nodeAffinity?: {
    readonly required?: {
      readonly nodeSelectorTerms?: readonly {
        readonly matchExpressions?: readonly { readonly values?: readonly string[] }[]
      }[]
    }
  }
}

/** `Deployment trow/web`. */
export function print({ kind, namespace, name }: KubeReference): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

async function usersOf(objects: ClusterObjects, host: string, layout: Layout): Promise<string[]> {
  const pods = await objects.list({ apiVersion: 'v1', kind: 'Pod' })
  const ours = new Set<string | undefined>([layout.namespace, layout.nodeNamespace])
  return pods.flatMap((pod) => {
    const { name, namespace } = pod.metadata
    const spec = (pod['spec'] ?? {}) as {
      nodeName?: string
      containers?: { image: string }[]
      initContainers?: { image: string }[]
    }
    const images = [...(spec.initContainers ?? []), ...(spec.containers ?? [])].map(({ image }) => image)
    const uses = images.some((image) => image.startsWith(`${host}/`) || image.startsWith(`${host}:`))
    return uses && !ours.has(namespace) ? [`${namespace}/${name} (${spec.nodeName ?? 'not scheduled'})`] : []
  })
}

/** Selects the objects of this install: in its namespaces, in the cluster's own, or cluster-scoped. */
function isOurs({ namespace, nodeNamespace }: Layout): (object: KubeObject) => boolean {
  const ours = new Set<string | undefined>([
    namespace,
    nodeNamespace,
    'kube-system',
    'kube-public',
    undefined,
  ])
  return ({ metadata, kind }) =>
    ours.has(metadata.namespace) &&
    (kind !== 'Namespace' || metadata.name === namespace || metadata.name === nodeNamespace)
}

/** The API server does not know the kind. */
function unknown(error: unknown): readonly KubeObject[] {
  if (error instanceof ClusterFault && error.status === 404) return []
  throw error
}

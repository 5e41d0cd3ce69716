import type { ClusterObjects, KubeObject } from '../../cluster/cluster-objects.ts'
import { layoutOf, names } from '../../cluster/layout.ts'
import { failed, passed, warned, type PreflightCheck, type PreflightCategory } from '../check.ts'
import { notedDataVersion } from '../kept-data.ts'
import { leftoverCheck } from './leftovers.ts'
import type { PreflightContext } from './preflight-context.ts'

const apps = 'apps/v1'

/** Checks what exists already, and to whom it belongs. */
export async function existingChecks(context: PreflightContext): Promise<PreflightCategory> {
  const { cluster, settings } = context
  const { namespace, nodeNamespace } = layoutOf(settings.namespace)
  const [own, nodes, workloads] = await Promise.all([
    namespaceNamed(cluster, namespace),
    settings.trustNodes ? namespaceNamed(cluster, nodeNamespace) : undefined,
    workloadsOf(cluster),
  ])
  const checks = [
    otherInstall(workloads, namespace),
    managerCheck([own, nodes, ...workloads], context.force),
    await namespaceCheck(context, namespace, own),
    ...(settings.trustNodes ? [await namespaceCheck(context, nodeNamespace, nodes)] : []),
    await versionCheck(context),
    ...nodesStayTrusted(context),
    await leftoverCheck(cluster),
  ]
  return { categoryName: 'existing-install', checks }
}

function namespaceNamed(cluster: ClusterObjects, name: string): Promise<KubeObject | undefined> {
  return cluster.get({ apiVersion: 'v1', kind: 'Namespace', name })
}

/** Finds workloads by label, and those of other installers by name. */
async function workloadsOf(cluster: ClusterObjects): Promise<KubeObject[]> {
  const labelSelector = 'app.kubernetes.io/name=trow'
  const found = await Promise.all(
    ['StatefulSet', 'Deployment', 'DaemonSet'].map((kind) =>
      cluster.list({ apiVersion: apps, kind, labelSelector }),
    ),
  )
  return found.flat()
}

function otherInstall(workloads: readonly KubeObject[], namespace: string): PreflightCheck {
  const description = 'no other namespace has a trow'
  const other = workloads.find(
    ({ kind, metadata }) =>
      kind === 'StatefulSet' && metadata.name === names.statefulSet && metadata.namespace !== namespace,
  )
  return other === undefined
    ? passed('other-install', description)
    : failed(
        'other-install',
        description,
        `there is one in namespace ${other.metadata.namespace}`,
        `A cluster has one: trow install -n ${other.metadata.namespace}, or trow uninstall there first.`,
      )
}

function managerCheck(objects: readonly (KubeObject | undefined)[], force: boolean): PreflightCheck {
  const description = 'nothing of it is managed by Helm, Argo CD or Flux'
  const managed = objects.flatMap((object) => {
    const manager = object === undefined ? undefined : managerOf(object)
    return manager === undefined ? [] : [`${manager} manages ${object?.kind} ${object?.metadata.name}`]
  })
  if (managed.length === 0) return passed('managed', description)
  const words = managed.join(', ')
  if (force) return warned('managed', description, words, 'It will undo what is changed here.')
  return failed(
    'managed',
    description,
    words,
    'Change it there (trow install --dry-run=client -o yaml prints the manifests), or take it over with --force.',
  )
}

export function managerOf({ metadata }: KubeObject): string | undefined {
  const { labels = {}, annotations = {} } = metadata
  if (labels['app.kubernetes.io/managed-by'] === 'Helm' || annotations['meta.helm.sh/release-name']) {
    return `Helm (release ${annotations['meta.helm.sh/release-name'] ?? 'unknown'})`
  }
  const argo = annotations['argocd.argoproj.io/tracking-id'] ?? labels['argocd.argoproj.io/instance']
  if (argo !== undefined) return `Argo CD (${argo.split(':')[0]})`
  const flux = labels['kustomize.toolkit.fluxcd.io/name'] ?? labels['helm.toolkit.fluxcd.io/name']
  return flux === undefined ? undefined : `Flux (${flux})`
}

async function namespaceCheck(
  { cluster, force }: PreflightContext,
  name: string,
  found: KubeObject | undefined,
): Promise<PreflightCheck> {
  const id = 'namespace'
  const description = `namespace ${name} is free, or trow's`
  if (found === undefined) return passed(id, description)
  if (found.metadata.deletionTimestamp !== undefined) {
    return failed(id, description, 'it is being deleted', `Wait: kubectl wait --for=delete namespace/${name}`)
  }
  if (found.metadata.labels?.['app.kubernetes.io/part-of'] === 'trow') return passed(id, description)
  const inside = await Promise.all(
    ['Pod', 'Service', 'PersistentVolumeClaim'].map((kind) =>
      cluster.list({ apiVersion: 'v1', kind, namespace: name }),
    ),
  )
  const first = inside
    .flat()
    .find(({ metadata }) => metadata.labels?.['app.kubernetes.io/part-of'] !== 'trow')
  if (first === undefined) return passed(id, description)
  const words = `it is in use by others: ${first.kind} ${first.metadata.name}`
  const hint = `Choose another with --namespace, or --force to move in and set its Pod Security level.`
  return force ? warned(id, description, words) : failed(id, description, words, hint)
}

async function versionCheck(context: PreflightContext): Promise<PreflightCheck> {
  const { cluster, settings, version, schema } = context
  const id = 'downgrade'
  // The installed registry, or the data that an uninstall has left.
  const before =
    context.remembered?.version === undefined
      ? await notedDataVersion(cluster, settings.namespace)
      : context.remembered
  const there = before?.version
  if (there === undefined) return passed(id, `trow ${version} is the first here`)
  const description = `trow ${version} may follow trow ${there}`
  if (before?.schema !== undefined && schema < before.schema) {
    return failed(
      id,
      description,
      `the database has schema ${before.schema}, and trow ${version} knows ${schema}: it could not open it`,
      `Use trow ${there} or later.`,
    )
  }
  return isOlder(version, there)
    ? warned(id, description, `it is a downgrade; the database's schema is the same`)
    : passed(id, description)
}

function isOlder(one: string, other: string): boolean {
  const numbers = (text: string): number[] => (text.split(/[-+]/)[0] ?? '').split('.').map(Number)
  const [left, right] = [numbers(one), numbers(other)]
  const at = left.findIndex((each, index) => each !== right[index])
  return at !== -1 && (left[at] ?? 0) < (right[at] ?? 0)
}

/** Agents that are only removed would leave their files on the nodes, and nothing would maintain these. */
function nodesStayTrusted({ settings, remembered }: PreflightContext): PreflightCheck[] {
  if (settings.trustNodes || remembered?.settings?.trustNodes !== true) return []
  return [
    failed(
      'trust-nodes',
      'nodes that trust the registry go on to',
      'the agents of the last install would go and leave their files on the nodes',
      'trow uninstall takes everything back from the nodes and keeps the data; then install with --no-trust-nodes.',
    ),
  ]
}

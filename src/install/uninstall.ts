import { counted } from '../counted.ts'
import { admissionNames, floorParts } from '../cluster/admission-layout.ts'
import type { ClusterObjects, KubeObject, KubeReference } from '../cluster/cluster-objects.ts'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import { names, type Layout } from '../cluster/layout.ts'
import { nodeFacts, takesAgent } from '../cluster/node-facts.ts'
import { pullIdentityProblem, readNodeReport, reportLife, reportsIn } from '../cluster/node-report.ts'
import { definitionName, everyPolicy, policyKinds } from '../cluster/policy-object.ts'
import { isReady } from '../cluster/pod-problem.ts'
import { noteDataVersion } from './kept-data.ts'
import { patientObjects } from './patient-objects.ts'
import { allDesiredStates } from './desired-state.ts'

export interface UninstallParts {
  readonly objects: ClusterObjects
  readonly layout: Layout
  readonly now: () => number
  readonly pause: (milliseconds: number) => Promise<void>
  readonly say: (text: string) => void
}

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
const poll = 1000
/** What is gone some time after its deletion. */
const slowKinds: ReadonlySet<string> = new Set(['Namespace', 'PersistentVolume', 'CustomResourceDefinition'])
/**
 * Milliseconds after the nodes' deadline during which an API server that is away is retried: half an
 * uninstall is of no use.
 */
const patience = 60_000

/** Returns what an uninstall would remove; changes nothing. `objects` is empty if nothing is installed. */
export async function planUninstall(
  { objects, layout }: Pick<UninstallParts, 'objects' | 'layout'>,
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

/**
 * First takes webhooks and floor away, then lets every agent undo its changes on its node, then deletes in the plan's order. Returns the nodes
 * that did not report the end of their undo before the deadline (milliseconds since the epoch).
 */
export async function uninstall(
  given: UninstallParts,
  { plan, deadline }: { readonly plan: UninstallPlan; readonly deadline: number },
): Promise<readonly string[]> {
  const { say, layout, now, pause } = given
  const objects = patientObjects(given.objects, { deadline: deadline + patience, now, pause, tell: say })
  const parts = { ...given, objects }
  await noteDataVersion(objects, layout.namespace, plan.claims)
  const [webhooks, others] = split(plan.objects, ({ kind }) => kind.endsWith('WebhookConfiguration'))
  for (const reference of webhooks) await objects.delete(reference)
  const [ofFloor, rest] = split(others, (reference) => isKeeper(reference) || isOfFloor(reference))
  const removeFloor = async (): Promise<void> => {
    // Without rights the admission pods cannot put back what they keep, while they end.
    for (const reference of ofFloor.filter(isKeeper)) await objects.delete(reference)
    for (const reference of floorParts) await objects.delete(reference)
  }
  if (ofFloor.length > 0) await removeFloor()
  const silent = await undoNodes(parts, deadline)
  const [slow, quick] = split(rest, ({ kind }) => slowKinds.has(kind))
  for (const reference of quick) await objects.delete(reference)
  // An API server may take a moment until rights are gone.
  if (ofFloor.length > 0) await removeFloor()
  say(`deleted ${counted(ofFloor.length + quick.length, 'object')}`)
  for (const reference of slow) await objects.delete(reference)
  // A namespace is gone once everything in it is gone. A rest would stop the next install, so this waits.
  for (const reference of slow) {
    const isThere = async (): Promise<boolean> => (await objects.get(reference)) !== undefined
    let isLeft = await isThere()
    while (isLeft && parts.now() < deadline) {
      await parts.pause(poll)
      isLeft = await isThere()
    }
    say(isLeft ? `${print(reference)} is still on its way out` : `deleted ${print(reference)}`)
  }
  return silent
}

/** `Deployment trow/web`. */
export function print({ kind, namespace, name }: KubeReference): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

/** What lets the admission pods make the floor again. */
function isKeeper({ kind, name }: KubeReference): boolean {
  return name === admissionNames.workload && (kind === 'Deployment' || kind === 'ClusterRoleBinding')
}

function isOfFloor({ kind, name }: KubeReference): boolean {
  return floorParts.some((part) => part.kind === kind && part.name === name)
}

async function undoNodes(
  { objects, layout, now, pause, say }: UninstallParts,
  deadline: number,
): Promise<string[]> {
  const { namespace, nodeNamespace } = layout
  const daemonSet = { apiVersion: 'apps/v1', kind: 'DaemonSet', name: names.agent, namespace: nodeNamespace }
  const [told, daemons] = await Promise.all([allDesiredStates(objects, namespace), objects.get(daemonSet)])
  if (told.length === 0 || daemons === undefined) return []
  for (const { reference, settings } of told)
    await objects.patch(reference, {
      data: { 'settings.json': JSON.stringify({ ...settings, mode: 'undo' }, undefined, 2) },
    })
  say('the agents were told to take their nodes back')
  let done = new Set<string>()
  const faults = new Map<string, string>()
  for (;;) {
    const [nodes, reports] = await Promise.all([
      objects.list({ apiVersion: 'v1', kind: 'Node' }),
      objects.list(reportsIn(layout.nodeNamespace)),
    ])
    const known = new Map(reports.flatMap((report) => stateOf(report, now())))
    for (const [node, { phase, fault }] of known) {
      if (phase === 'undone' && !done.has(node)) say(`node ${node} is as it was`)
      if (fault !== undefined && faults.get(node) !== fault) say(`node ${node}: ${fault}`)
      if (fault !== undefined) faults.set(node, fault)
    }
    done = new Set([...known].filter(([, { phase }]) => phase === 'undone').map(([node]) => node))
    // An agent writes a report before it writes anything on its node: without a report there is nothing to
    // undo.
    const written = new Set(reports.map(({ metadata }) => metadata.name))
    const waiting = nodes.filter(
      (node) =>
        takesAgent(nodeFacts(node)) &&
        !done.has(node.metadata.name) &&
        written.has(names.report(node.metadata.name)),
    )
    // Only a node that is Ready and has a recent report can still finish.
    const able = waiting.filter((node) => isReady(node) && known.has(node.metadata.name))
    if (able.length === 0 || now() >= deadline) return waiting.map(({ metadata }) => metadata.name)
    await pause(poll)
  }
}

interface NodeState {
  readonly phase: string
  /** What prevents the undo on the node. */
  readonly fault: string | undefined
}

/** Returns the state from a report that is recent, or final (`undone`). */
function stateOf(map: KubeObject, now: number): [string, NodeState][] {
  const report = readNodeReport(map)
  if (report === undefined) return []
  const { node, phase, time } = report
  if (now - Date.parse(time) > reportLife && phase !== 'undone') return []
  const kept = pullIdentityProblem({ problems: report.problems.filter(({ fatal }) => fatal) })
  const fault = kept && [kept.message, kept.hint].filter((text) => text !== undefined).join(' ')
  return [[node, { phase, fault }]]
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

function split<Value>(values: readonly Value[], test: (value: Value) => boolean): [Value[], Value[]] {
  return [values.filter(test), values.filter((value) => !test(value))]
}

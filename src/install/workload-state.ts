import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { labels, layoutOf, names } from '../cluster/layout.ts'
import { isReady as hasReadyCondition, nodeOf } from '../cluster/pod-problem.ts'
import { isReady, warningAbout, podReason } from './pod-state.ts'
import { nodeFacts, takesAgent, type NodeFacts } from '../cluster/node-facts.ts'
import type { Outcome } from './waiting.ts'
import { templateOf, type Workload } from './workload.ts'

/**
 * Whether the registry's pod is the wanted one, and ready. One of an older revision that is not ready is taken away: a
 * StatefulSet would wait for it for ever (kubernetes#67250), and its data is on a volume.
 */
export async function settleRegistry(cluster: ClusterObjects, wanted: Workload): Promise<Outcome> {
  const { namespace } = wanted.metadata
  const [set, pods] = await Promise.all([
    cluster.get({ apiVersion: 'apps/v1', kind: 'StatefulSet', name: names.statefulSet, namespace }),
    cluster.list(podsOf('registry', namespace)),
  ])
  const template = templateOf(wanted.spec.template)
  const ready = pods.filter((pod) => isReady(pod) && templateOf(pod) === template)
  if (set !== undefined && isObserved(set) && ready.length > 0) return { done: true }
  const [pod] = pods
  if (pod !== undefined && set !== undefined && isStuck(pod, set)) {
    const { name, uid } = pod.metadata
    await cluster.delete({ apiVersion: 'v1', kind: 'Pod', name, namespace }, uid === undefined ? {} : { uid })
    return { done: false, reasons: [`pod ${name} of before is not ready, and is taken away`] }
  }
  if (pod !== undefined) return { done: false, reasons: [await podReason(cluster, pod)] }
  const event = set === undefined ? undefined : await warningAbout(cluster, set)
  return { done: false, reasons: [event ?? 'its pod is about to be made'] }
}

/** Whether every Ready node runs the wanted agent. */
export async function agentState(cluster: ClusterObjects, wanted: Workload): Promise<Outcome> {
  const { namespace } = wanted.metadata
  const [nodes, pods] = await Promise.all([agentNodes(cluster), cluster.list(podsOf('node', namespace))])
  const template = templateOf(wanted.spec.template)
  const byNode = new Map<string, KubeObject[]>()
  for (const pod of pods) {
    const node = nodeOf(pod) ?? ''
    byNode.set(node, [...(byNode.get(node) ?? []), pod])
  }
  const reasons: string[] = []
  for (const { name } of nodes) {
    const own = byNode.get(name) ?? []
    if (own.some((pod) => isReady(pod) && templateOf(pod) === template)) continue
    const pod = own.find((each) => templateOf(each) === template) ?? own[0]
    reasons.push(pod === undefined ? `${name}: no agent yet` : `${name}: ${await podReason(cluster, pod)}`)
  }
  if (reasons.length === 0) return { done: true }
  const set = await cluster.get({ apiVersion: 'apps/v1', kind: 'DaemonSet', name: names.agent, namespace })
  const event = set === undefined || pods.length > 0 ? undefined : await warningAbout(cluster, set)
  return { done: false, reasons: event === undefined ? reasons : [...reasons, event] }
}

/** Nodes that are Ready and meant to have an agent. */
export async function agentNodes(cluster: ClusterObjects): Promise<NodeFacts[]> {
  const nodes = (await cluster.list({ apiVersion: 'v1', kind: 'Node' })).map(nodeFacts)
  return nodes.filter((node) => node.ready && takesAgent(node))
}

export function podsOf(
  component: string,
  namespace: string | undefined,
): { apiVersion: 'v1'; kind: 'Pod'; namespace: string | undefined; labelSelector: string } {
  const own = labels.of(component)
  const selector = ['app.kubernetes.io/name', 'app.kubernetes.io/component']
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    namespace,
    labelSelector: selector.map((name) => `${name}=${own[name]}`).join(','),
  }
}

export function nodeNamespaceOf(namespace: string): string {
  return layoutOf(namespace).nodeNamespace
}

function isStuck(pod: KubeObject, set: KubeObject): boolean {
  const { updateRevision } = (set['status'] ?? {}) as { updateRevision?: string }
  const own = pod.metadata.labels?.['controller-revision-hash']
  const isOld = own !== undefined && updateRevision !== undefined && own !== updateRevision
  return isOld && isObserved(set) && !hasReadyCondition(pod) && pod.metadata.deletionTimestamp === undefined
}

function isObserved(set: KubeObject): boolean {
  const { observedGeneration } = (set['status'] ?? {}) as { observedGeneration?: number }
  return (observedGeneration ?? 0) >= (set.metadata.generation ?? 0)
}

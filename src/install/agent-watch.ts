import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import type { Fault } from '../cluster/grouped-faults.ts'
import { labels, names } from '../cluster/layout.ts'
import { nodeFacts, takesAgent, type NodeFacts } from '../cluster/node-facts.ts'
import { lastWarning, meantNodeOf } from '../cluster/pod-problem.ts'
import { isHeldBack, isReady, isUnplaced, podWords, pullFailure, stateKey } from './pod-state.ts'
import { Standing } from './standing.ts'
import { waysToBring, whoRefuses } from './ways-to-bring.ts'
import { templateOf, type Workload } from './workload.ts'

/** The agent of one Ready node. `stuck`: nothing will come of it by waiting. */
export interface AgentState {
  readonly node: string
  readonly state: 'ready' | 'waiting' | 'stuck'
  /** Why it is not ready, and what to do about it where that is known. */
  readonly reason: string
  readonly hint: string | undefined
}

/** Milliseconds after which nobody is expected to make a pod, or to find room for it, any more. */
const settled = 30_000
/** Agents of which the kubelet's words are asked for, each time; the others say as much as their status does. */
const asked = 5

/** Looks at the agents again and again, and knows for how long nobody has worked on one. */
export class AgentWatch {
  readonly #cluster: ClusterObjects
  readonly #wanted: Workload
  readonly #standing: Standing

  constructor(cluster: ClusterObjects, wanted: Workload, now: () => number) {
    this.#cluster = cluster
    this.#wanted = wanted
    this.#standing = new Standing(now)
  }

  /** Of every node that is Ready and meant to have one; `only`: of those among them. */
  async look(only?: ReadonlySet<string>): Promise<AgentState[]> {
    const { namespace } = this.#wanted.metadata
    const [nodes, pods] = await Promise.all([
      agentNodes(this.#cluster),
      this.#cluster.list(podsOf('node', namespace)),
    ])
    const byNode = new Map<string, KubeObject[]>()
    for (const pod of pods) {
      const node = meantNodeOf(pod) ?? ''
      byNode.set(node, [...(byNode.get(node) ?? []), pod])
    }
    const template = templateOf(this.#wanted.spec.template)
    const words = new Words(this.#cluster)
    const states: AgentState[] = []
    const open: string[] = []
    for (const { name: node } of nodes) {
      if (only?.has(node) === false) continue
      const own = byNode.get(node) ?? []
      if (own.some((pod) => isReady(pod) && templateOf(pod) === template)) {
        states.push({ node, state: 'ready', reason: '', hint: undefined })
        continue
      }
      const pod = own.find((each) => templateOf(each) === template)
      if (pod === undefined ? own.length === 0 : isUnplaced(pod)) open.push(node)
      const isStuck = pod !== undefined && isHeldBack(pod)
      const shown = pod ?? own[0]
      const told = shown === undefined ? await words.ofNone(namespace) : await words.of(shown)
      states.push({ node, state: isStuck ? 'stuck' : 'waiting', ...told })
    }
    this.#standing.keep(open)
    return states.map((one) =>
      one.state === 'waiting' && this.#standing.of(one.node) >= settled ? { ...one, state: 'stuck' } : one,
    )
  }
}

/** Nodes whose agent works, be it of this install or of the one before. */
export async function nodesWithAgents(
  cluster: ClusterObjects,
  namespace: string | undefined,
): Promise<ReadonlySet<string>> {
  const pods = await cluster.list(podsOf('node', namespace))
  return new Set(pods.filter(isReady).map((pod) => meantNodeOf(pod) ?? ''))
}

/** Nodes that are Ready and meant to have an agent. */
export async function agentNodes(cluster: ClusterObjects): Promise<NodeFacts[]> {
  const nodes = (await cluster.list({ apiVersion: 'v1', kind: 'Node' })).map(nodeFacts)
  return nodes.filter((node) => node.ready && takesAgent(node))
}

/** As `waitUntil` tells them. */
export function agentFaults(states: readonly AgentState[]): Fault[] {
  return states.filter(({ state }) => state !== 'ready').map(({ node, reason }) => ({ node, text: reason }))
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

type Told = Pick<AgentState, 'reason' | 'hint'>

/** Why agents are not ready, of a few of each kind in full: an event and a log of each of 300 would be asked for. */
class Words {
  readonly #cluster: ClusterObjects
  readonly #known = new Map<string, { readonly count: number; readonly told: Told }>()
  #ofNone: Promise<Told> | undefined

  constructor(cluster: ClusterObjects) {
    this.#cluster = cluster
  }

  async of(pod: KubeObject): Promise<Told> {
    const key = stateKey(pod)
    const { count, told } = this.#known.get(key) ?? { count: 0, told: undefined }
    if (told !== undefined && count >= asked) return told
    const words = await podWords(this.#cluster, pod)
    const hint = pullFailure(pod) === undefined ? undefined : waysToBring
    const now = { reason: `its agent is not ready: ${words}`, hint }
    this.#known.set(key, { count: count + 1, told: now })
    return now
  }

  /** What the DaemonSet's controller says of pods that it cannot make. */
  ofNone(namespace: string | undefined): Promise<Told> {
    const set = { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: names.agent, namespace } }
    return (this.#ofNone ??= lastWarning(this.#cluster, set as KubeObject).then((event) => ({
      reason:
        event === undefined
          ? 'it has no agent yet'
          : `it has no agent yet (${event.reason}: ${event.message})`,
      hint: event?.reason === 'FailedCreate' ? whoRefuses(namespace) : undefined,
    })))
  }
}

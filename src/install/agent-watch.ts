import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import type { Fault } from '../cluster/grouped-faults.ts'
import { labels, names } from '../cluster/layout.ts'
import { nodeFacts, takesAgent, type NodeFacts } from '../cluster/node-facts.ts'
import { lastWarning, meantNodeOf } from '../cluster/pod-problem.ts'
import { isHeldBack, isReady, isUnplaced, podMessage, pullFailure, stateKey } from './pod-state.ts'
import { Standing } from './standing.ts'
import { waysToBring, whoRefuses } from './ways-to-bring.ts'
import { templateOf, type Workload } from './workload.ts'

/** The agent of one Ready node. `stuck` means that waiting does not help. */
export interface AgentState {
  readonly node: string
  readonly state: 'ready' | 'waiting' | 'stuck'
  /** Why it is not ready; the hint says what to do, if that is known. */
  readonly reason: string
  readonly hint: string | undefined
}

/** After this time in milliseconds an agent without a pod, or whose pod cannot be placed, counts as stuck. */
const settled = 30_000
/**
 * For this many agents of each kind the events and the log are requested at each look. The others get the
 * text of one of these.
 */
const asked = 5

/** Looks at the agents repeatedly, and records for how long each has had no pod or an unplaced one. */
export class AgentWatch {
  readonly #cluster: ClusterObjects
  readonly #wanted: Workload
  readonly #standing: Standing

  constructor(cluster: ClusterObjects, wanted: Workload, now: () => number) {
    this.#cluster = cluster
    this.#wanted = wanted
    this.#standing = new Standing(now)
  }

  /**
   * Returns the agents of every Ready node that shall have one, or of those nodes that are also in `only`.
   */
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
    const words = new AgentReasons(this.#cluster)
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
      const reason = shown === undefined ? await words.ofNone(namespace) : await words.of(shown)
      states.push({ node, state: isStuck ? 'stuck' : 'waiting', ...reason })
    }
    this.#standing.keep(open)
    return states.map((one) =>
      one.state === 'waiting' && this.#standing.of(one.node) >= settled ? { ...one, state: 'stuck' } : one,
    )
  }
}

/** Returns the nodes whose agent is ready, whether it belongs to this install or to an earlier one. */
export async function nodesWithAgents(
  cluster: ClusterObjects,
  namespace: string | undefined,
): Promise<ReadonlySet<string>> {
  const pods = await cluster.list(podsOf('node', namespace))
  return new Set(pods.filter(isReady).map((pod) => meantNodeOf(pod) ?? ''))
}

/** Returns the Ready nodes that shall have an agent. */
export async function agentNodes(cluster: ClusterObjects): Promise<NodeFacts[]> {
  const nodes = (await cluster.list({ apiVersion: 'v1', kind: 'Node' })).map(nodeFacts)
  return nodes.filter((node) => node.ready && takesAgent(node))
}

/** Converts the states to faults for `waitUntil`. */
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

type AgentReason = Pick<AgentState, 'reason' | 'hint'>

/**
 * Why agents are not ready. Only a few agents of each kind are examined: for 300 nodes, each would cost one
 * request for events and one for a log.
 */
class AgentReasons {
  readonly #cluster: ClusterObjects
  readonly #known = new Map<string, { readonly count: number; readonly reason: AgentReason }>()
  #ofNone: Promise<AgentReason> | undefined

  constructor(cluster: ClusterObjects) {
    this.#cluster = cluster
  }

  async of(pod: KubeObject): Promise<AgentReason> {
    const key = stateKey(pod)
    const { count, reason } = this.#known.get(key) ?? { count: 0, reason: undefined }
    if (reason !== undefined && count >= asked) return reason
    const words = await podMessage(this.#cluster, pod)
    const hint = pullFailure(pod) === undefined ? undefined : waysToBring
    const now = { reason: `its agent is not ready: ${words}`, hint }
    this.#known.set(key, { count: count + 1, reason: now })
    return now
  }

  /** Returns the DaemonSet controller's last warning about pods that it cannot create. */
  ofNone(namespace: string | undefined): Promise<AgentReason> {
    const set = {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: names.agent, ...(namespace !== undefined && { namespace }) },
    }
    return (this.#ofNone ??= lastWarning(this.#cluster, set).then((event) => ({
      reason:
        event === undefined
          ? 'it has no agent yet'
          : `it has no agent yet (${event.reason}: ${event.message})`,
      hint: event?.reason === 'FailedCreate' ? whoRefuses(namespace) : undefined,
    })))
  }
}

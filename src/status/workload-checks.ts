import { counted } from '../counted.ts'
import type { Check } from '../cluster/check.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { lastLogMessage } from '../cluster/pod-log.ts'
import { isReady, meantNodeOf, nodeOf, podProblem } from '../cluster/pod-problem.ts'
import { pullFailureMessage } from '../cluster/pull-failure-message.ts'
import { hidden, type Seen } from './look.ts'

/** Checks the StatefulSet, its pods, and whether the Service leads to one of them. */
export async function registryChecks(
  objects: ClusterObjects,
  parts: {
    readonly set: Seen<KubeObject | undefined>
    readonly pods: Seen<readonly KubeObject[]>
    readonly slices: Seen<readonly KubeObject[]>
    readonly nodes: readonly KubeObject[]
  },
): Promise<Check[]> {
  const { set, pods, slices, nodes } = parts
  const description = 'its pod is ready'
  if (set === undefined)
    return [
      { description, result: 'error', error: 'StatefulSet trow is missing', hint: 'Run trow install again.' },
    ]
  if (set !== hidden && pods !== hidden && pods.length === 0)
    return [
      {
        description,
        result: 'error',
        error: 'there is no pod',
        hint: `kubectl describe statefulset -n ${set.metadata.namespace} ${set.metadata.name} says why.`,
      },
    ]
  return [
    ...(pods === hidden ? [] : await readyChecks(objects, pods, nodes)),
    ...(slices === hidden ? [] : [serviceCheck(slices)]),
  ]
}

async function readyChecks(
  objects: ClusterObjects,
  pods: readonly KubeObject[],
  nodes: readonly KubeObject[],
): Promise<Check[]> {
  const found = await Promise.all(
    pods.map(async (pod) => strandedCheck(pod, nodes) ?? podCheck(objects, pod)),
  )
  const problems = found.filter((check) => check !== undefined)
  return problems.length > 0 ? problems : [{ description: 'its pod is ready', result: 'success' }]
}

/**
 * A pod on a lost node stays, and its StatefulSet creates no second pod beside it. Only a person can decide
 * that the node is dead.
 */
function strandedCheck(pod: KubeObject, nodes: readonly KubeObject[]): Check | undefined {
  const name = nodeOf(pod)
  const node = nodes.find(({ metadata }) => metadata.name === name)
  if (name === undefined || nodes.length === 0 || (node !== undefined && isReady(node))) return undefined
  const { namespace, name: own, deletionTimestamp } = pod.metadata
  const what = node === undefined ? 'is not there any more' : 'is not Ready'
  const isEnding = deletionTimestamp !== undefined
  return {
    description: `pod ${own} on node ${name} is ready`,
    result: 'error',
    error: `node ${name} ${what}${isEnding ? `: the pod is to go since ${deletionTimestamp}, and stays Terminating` : ''}; no other is made beside it`,
    hint:
      `Bring the node back. Only if it is dead for good: kubectl delete pod -n ${namespace} ${own} --force, ` +
      'and another is made where the volume can be had; a folder of that node (--storage local) can not.',
  }
}

function serviceCheck(slices: readonly KubeObject[]): Check {
  const description = 'its Service leads to it'
  const leads = slices.some((slice) =>
    ((slice['endpoints'] ?? []) as { conditions?: { serving?: boolean } }[]).some(
      ({ conditions }) => conditions?.serving !== false,
    ),
  )
  return leads
    ? { description, result: 'success' }
    : {
        description,
        result: 'error',
        error: 'Service trow has no endpoint that serves',
        hint: 'Its pod is not ready, or the Service was changed: run trow install again.',
      }
}

export function volumeChecks(claims: readonly KubeObject[]): Check[] {
  return claims.map((claim) => {
    const description = `volume ${claim.metadata.name} is bound`
    const { phase = 'Pending' } = (claim['status'] ?? {}) as { phase?: string }
    return phase === 'Bound'
      ? { description, result: 'success' }
      : {
          description,
          result: 'error',
          error: `it is ${phase}`,
          hint: `kubectl describe pvc -n ${claim.metadata.namespace} ${claim.metadata.name} says why; trow install --storage offers others.`,
        }
  })
}

/**
 * Agents for which events or the log are requested; the others of the same state get the text of their status
 * only.
 */
const asked = 5

/** Checks that each node has one agent, and that each agent is ready. */
export async function agentChecks(
  objects: ClusterObjects,
  parts: {
    readonly daemons: Seen<KubeObject | undefined>
    readonly pods: Seen<readonly KubeObject[]>
    readonly nodes: readonly KubeObject[]
  },
): Promise<Check[]> {
  const { daemons, pods, nodes } = parts
  if (daemons === hidden || pods === hidden) return []
  if (daemons === undefined)
    return [
      {
        description: 'the agents run',
        result: 'warning',
        error: 'there is no DaemonSet trow-node: nodes are not made to trust the registry',
        hint: 'trow install without --no-trust-nodes brings it.',
      },
    ]
  const places = new Set(pods.map(meantNodeOf))
  const missing = nodes.filter(({ metadata }) => !places.has(metadata.name))
  const checks = (await podChecks(objects, pods, nodes)).filter((check) => check !== undefined)
  const ready = pods.filter(isReady).length
  return [
    ...(ready === nodes.length && missing.length === 0
      ? [
          {
            description:
              ready === 1
                ? 'an agent runs on the one node'
                : `an agent runs on each of ${counted(ready, 'node')}`,
            result: 'success',
          } as const,
        ]
      : []),
    ...missing.map(({ metadata: { name } }): Check => ({
      description: `an agent runs on node ${name}`,
      result: 'error',
      error: 'there is no pod of DaemonSet trow-node on it',
      hint: `kubectl describe daemonset -n ${daemons.metadata.namespace} trow-node says why.`,
      node: name,
    })),
    ...checks,
  ]
}

async function podChecks(
  objects: ClusterObjects,
  pods: readonly KubeObject[],
  nodes: readonly KubeObject[],
): Promise<(Check | undefined)[]> {
  const open = pods.filter((pod) => !isReady(pod))
  const away = new Set(nodes.filter((node) => !isReady(node)).map(({ metadata }) => metadata.name))
  const counts = new Map<string, number>()
  return Promise.all(
    open.map(async (pod) => {
      const node = meantNodeOf(pod)
      if (node !== undefined && away.has(node)) return awayCheck(pod, node)
      const key = stateOf(pod)
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      return podCheck(objects, pod, count > asked)
    }),
  )
}

function awayCheck({ metadata: { name } }: KubeObject, node: string): Check {
  return {
    description: `pod ${name} on node ${node} is ready`,
    result: 'error',
    error: `node ${node} is not Ready`,
    hint: `kubectl describe node ${node}`,
    node,
  }
}

/** Returns the same key for pods that wait for the same thing. */
function stateOf(pod: KubeObject): string {
  const { phase, containerStatuses = [] } = (pod['status'] ?? {}) as {
    phase?: string
    containerStatuses?: readonly { readonly state?: { readonly waiting?: { readonly reason?: string } } }[]
  }
  return JSON.stringify([phase, containerStatuses.map(({ state }) => state?.waiting?.reason)])
}

async function podCheck(
  objects: ClusterObjects,
  pod: KubeObject,
  isBrief = false,
): Promise<Check | undefined> {
  const problem = await podProblem(isBrief ? silent : objects, pod)
  if (problem === undefined) return undefined
  const { namespace = '', name } = pod.metadata
  const node = meantNodeOf(pod)
  const last = lastLogMessage(problem.log ?? '')
  const isPull = /^(ErrImagePull|ImagePullBackOff)$/.test(problem.reason) && !isBrief
  const message = isPull ? await pullFailureMessage(objects, pod, problem.message) : problem.message
  return {
    description: `pod ${name}${node === undefined ? '' : ` on node ${node}`} is ready`,
    result: 'error',
    error: `${problem.reason}${message === '' ? '' : `: ${message}`}${last === undefined ? '' : ` (its log: ${last})`}`,
    hint: `kubectl describe pod -n ${namespace} ${name}`,
    ...(node === undefined ? {} : { node }),
  }
}

/** Used when no more than the pod's status shall be read. */
const silent: Pick<ClusterObjects, 'list' | 'log'> = {
  list: () => Promise.resolve([]),
  log: () => Promise.resolve(undefined),
}

import type { Check } from '../cluster/check.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { toldBy } from '../cluster/pod-log.ts'
import { isReady, nodeOf, podProblem } from '../cluster/pod-problem.ts'

/** The StatefulSet, its pods, and whether the Service leads to one of them. */
export async function registryChecks(
  objects: ClusterObjects,
  parts: {
    readonly set: KubeObject | undefined
    readonly pods: readonly KubeObject[]
    readonly slices: readonly KubeObject[]
  },
): Promise<Check[]> {
  const description = 'its pod is ready'
  if (parts.set === undefined)
    return [
      { description, result: 'error', error: 'StatefulSet trow is missing', hint: 'Run trow install again.' },
    ]
  if (parts.pods.length === 0)
    return [
      {
        description,
        result: 'error',
        error: 'there is no pod',
        hint: `kubectl describe statefulset -n ${parts.set.metadata.namespace} ${parts.set.metadata.name} says why.`,
      },
    ]
  const problems = (await Promise.all(parts.pods.map((pod) => podCheck(objects, pod)))).filter(
    (check) => check !== undefined,
  )
  const leads = parts.slices.some((slice) =>
    ((slice['endpoints'] ?? []) as { conditions?: { serving?: boolean } }[]).some(
      ({ conditions }) => conditions?.serving !== false,
    ),
  )
  return [
    ...(problems.length > 0 ? problems : [{ description, result: 'success' } as const]),
    leads
      ? { description: 'its Service leads to it', result: 'success' }
      : {
          description: 'its Service leads to it',
          result: 'error',
          error: 'Service trow has no endpoint that serves',
          hint: 'Its pod is not ready, or the Service was changed: run trow install again.',
        },
  ]
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

/** One agent a node, and each of them ready. */
export async function agentChecks(
  objects: ClusterObjects,
  parts: {
    readonly daemons: KubeObject | undefined
    readonly pods: readonly KubeObject[]
    readonly nodes: readonly KubeObject[]
  },
): Promise<Check[]> {
  if (parts.daemons === undefined)
    return [
      {
        description: 'the agents run',
        result: 'warning',
        error: 'there is no DaemonSet trow-node: nodes are not made to trust the registry',
        hint: 'trow install without --no-trust-nodes brings it.',
      },
    ]
  const missing = parts.nodes.filter(
    ({ metadata }) => !parts.pods.some((pod) => nodeOf(pod) === metadata.name),
  )
  const checks = await Promise.all(parts.pods.map((pod) => podCheck(objects, pod)))
  const ready = parts.pods.filter(isReady).length
  return [
    ...(ready === parts.nodes.length && missing.length === 0
      ? [{ description: `an agent runs on each of ${ready} nodes`, result: 'success' } as const]
      : []),
    ...missing.map(({ metadata: { name } }): Check => ({
      description: `an agent runs on node ${name}`,
      result: 'error',
      error: 'there is no pod of DaemonSet trow-node on it',
      hint: `kubectl describe daemonset -n ${parts.daemons?.metadata.namespace} trow-node says why.`,
    })),
    ...checks.filter((check) => check !== undefined),
  ]
}

async function podCheck(objects: ClusterObjects, pod: KubeObject): Promise<Check | undefined> {
  const problem = await podProblem(objects, pod)
  if (problem === undefined) return undefined
  const { namespace = '', name } = pod.metadata
  const where = problem.node === undefined ? '' : ` on node ${problem.node}`
  const last = toldBy(problem.log ?? '')
  return {
    description: `pod ${name}${where} is ready`,
    result: 'error',
    error: `${problem.reason}${problem.message === '' ? '' : `: ${problem.message}`}${last === undefined ? '' : ` (its log: ${last})`}`,
    hint: `kubectl describe pod -n ${namespace} ${name}`,
  }
}

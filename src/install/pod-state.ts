import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { toldBy } from '../cluster/pod-log.ts'
import { isReady as hasReadyCondition, lastWarning, nodeOf, podProblem } from '../cluster/pod-problem.ts'
import { pullWords } from '../cluster/pull-words.ts'

interface ContainerStatus {
  readonly imageID?: string
  readonly restartCount?: number
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string }
    readonly running?: object
    readonly terminated?: object
  }
}

const pullFailures = ['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull']

/** One that is being taken away does not count. */
export function isReady(pod: KubeObject): boolean {
  return pod.metadata.deletionTimestamp === undefined && hasReadyCondition(pod)
}

/** What the kubelet said when it could not get the image; undefined while that is not known. */
export function pullFailure(
  pod: KubeObject,
): { readonly reason: string; readonly message: string } | undefined {
  const { reason = '', message = '' } = containerOf(pod)?.state?.waiting ?? {}
  return pullFailures.includes(reason) ? { reason, message } : undefined
}

/** Crashes after which nobody believes that the next start will be another one: the third is within a minute. */
const crashes = 3

/** Waiting does not help: the kubelet holds it back after pulls that failed, or after starts that did. */
export function isHeldBack(pod: KubeObject): boolean {
  const { state, restartCount = 0 } = containerOf(pod) ?? {}
  const { reason = '' } = state?.waiting ?? {}
  if (reason === 'CrashLoopBackOff') return restartCount >= crashes
  return reason !== 'ErrImagePull' && pullFailures.includes(reason)
}

/** Nobody works on it: the scheduler finds no room, or the kubelet cannot make its container. */
export function isUnplaced(pod: KubeObject): boolean {
  const { conditions = [] } = (pod['status'] ?? {}) as { conditions?: readonly Condition[] }
  const { reason = '' } = containerOf(pod)?.state?.waiting ?? {}
  return (
    conditions.some(({ type, status }) => type === 'PodScheduled' && status === 'False') ||
    reason.endsWith('Error')
  )
}

interface Condition {
  readonly type: string
  readonly status: string
}

/** The image is on the node, whatever became of the container. */
export function hasImage(pod: KubeObject): boolean {
  const status = containerOf(pod)
  const { running, terminated } = status?.state ?? {}
  return (status?.imageID ?? '') !== '' || running !== undefined || terminated !== undefined
}

/** Why a pod is not ready, in the words of whoever keeps it from being so, in one line. */
export async function podReason(cluster: ClusterObjects, pod: KubeObject): Promise<string> {
  const node = nodeOf(pod)
  return `pod ${pod.metadata.name}${node === undefined ? '' : ` on ${node}`}: ${await podWords(cluster, pod)}`
}

/** The same without the pod's name. */
export async function podWords(cluster: ClusterObjects, pod: KubeObject): Promise<string> {
  if (pod.metadata.deletionTimestamp !== undefined) return 'it is stopping; pulls that run go on'
  const [problem, claims] = await Promise.all([podProblem(cluster, pod), claimReasons(cluster, pod)])
  if (problem === undefined) return 'it is of an older install'
  const { reason, log } = problem
  const message =
    pullFailure(pod) === undefined ? problem.message : await pullWords(cluster, pod, problem.message)
  const said = toldBy(log ?? '')
  const words = message === '' ? reason : `${reason}: ${message}`
  return [words, ...(said === undefined ? [] : [said]), ...claims].join('; ')
}

/** Equal for pods that wait for the same, on whatever node. */
export function stateKey(pod: KubeObject): string {
  const { phase, conditions = [] } = (pod['status'] ?? {}) as {
    phase?: string
    conditions?: readonly Condition[]
  }
  const { waiting, terminated } = containerOf(pod)?.state ?? {}
  const scheduled = conditions.find(({ type }) => type === 'PodScheduled')?.status
  const isEnding = pod.metadata.deletionTimestamp !== undefined
  return JSON.stringify([phase, scheduled, waiting?.reason, terminated !== undefined, isEnding])
}

/** The newest event of type Warning about an object, in one line. */
export async function warningAbout(cluster: ClusterObjects, object: KubeObject): Promise<string | undefined> {
  const warning = await lastWarning(cluster, object)
  return warning && `${warning.reason}: ${warning.message}`
}

function containerOf(pod: KubeObject): ContainerStatus | undefined {
  const { containerStatuses } = (pod['status'] ?? {}) as { containerStatuses?: readonly ContainerStatus[] }
  return containerStatuses?.[0]
}

interface Volumes {
  readonly volumes?: readonly { readonly persistentVolumeClaim?: { readonly claimName: string } }[]
}

async function claimReasons(cluster: ClusterObjects, pod: KubeObject): Promise<string[]> {
  const { volumes = [] } = (pod['spec'] ?? {}) as Volumes
  const names = volumes.flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? [])
  const { namespace } = pod.metadata
  const reasons = names.map(async (name) => {
    const claim = await cluster.get({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace })
    const phase = (claim?.['status'] as { phase?: string } | undefined)?.phase
    if (claim === undefined || phase === 'Bound') return []
    const event = await warningAbout(cluster, claim)
    return [`volume claim ${name} is ${phase ?? 'new'}${event === undefined ? '' : ` (${event})`}`]
  })
  return (await Promise.all(reasons)).flat()
}

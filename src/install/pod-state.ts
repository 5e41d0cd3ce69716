import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { lastLogMessage } from '../cluster/pod-log.ts'
import { isReady as hasReadyCondition, lastWarning, nodeOf, podProblem } from '../cluster/pod-problem.ts'
import { pullFailureMessage } from '../cluster/pull-failure-message.ts'

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

/** A pod that is being deleted does not count. */
export function isReady(pod: KubeObject): boolean {
  return pod.metadata.deletionTimestamp === undefined && hasReadyCondition(pod)
}

/** Returns the kubelet's message if it could not get the image; `undefined` while that is not known. */
export function pullFailure(
  pod: KubeObject,
): { readonly reason: string; readonly message: string } | undefined {
  const { reason = '', message = '' } = containerOf(pod)?.state?.waiting ?? {}
  return pullFailures.includes(reason) ? { reason, message } : undefined
}

/** A pod counts as failed after this many crashes. The third comes within a minute. */
const crashes = 3

/**
 * Returns whether waiting does not help: the kubelet delays the next try after failed pulls or failed starts.
 */
export function isHeldBack(pod: KubeObject): boolean {
  const { state, restartCount = 0 } = containerOf(pod) ?? {}
  const { reason = '' } = state?.waiting ?? {}
  if (reason === 'CrashLoopBackOff') return restartCount >= crashes
  return reason !== 'ErrImagePull' && pullFailures.includes(reason)
}

/**
 * Returns whether the pod makes no progress: the scheduler finds no node for it, or the kubelet cannot create
 * its container.
 */
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

/** Returns whether the image is on the node, whatever the container's state. */
export function hasImage(pod: KubeObject): boolean {
  const status = containerOf(pod)
  const { running, terminated } = status?.state ?? {}
  return (status?.imageID ?? '') !== '' || running !== undefined || terminated !== undefined
}

/** Returns in one line why a pod is not ready, with the text of the component that reports it. */
export async function podReason(cluster: ClusterObjects, pod: KubeObject): Promise<string> {
  const node = nodeOf(pod)
  return `pod ${pod.metadata.name}${node === undefined ? '' : ` on ${node}`}: ${await podMessage(cluster, pod)}`
}

/** Returns the same without the pod's name. */
export async function podMessage(cluster: ClusterObjects, pod: KubeObject): Promise<string> {
  if (pod.metadata.deletionTimestamp !== undefined) return 'it is stopping; pulls that run go on'
  const [problem, claims] = await Promise.all([podProblem(cluster, pod), claimReasons(cluster, pod)])
  if (problem === undefined) return 'it is of an older install'
  const { reason, log } = problem
  const message =
    pullFailure(pod) === undefined ? problem.message : await pullFailureMessage(cluster, pod, problem.message)
  const said = lastLogMessage(log ?? '')
  const words = message === '' ? reason : `${reason}: ${message}`
  return [words, ...(said === undefined ? [] : [said]), ...claims].join('; ')
}

/** Returns the same key for pods that wait for the same thing, on any node. */
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

/** Returns the newest event of type Warning about an object, in one line. */
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

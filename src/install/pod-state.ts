import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { toldBy } from '../cluster/pod-log.ts'
import { isReady as hasReadyCondition, lastWarning, nodeOf, podProblem } from '../cluster/pod-problem.ts'

interface ContainerStatus {
  readonly imageID?: string
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

/** The image is on the node, whatever became of the container. */
export function hasImage(pod: KubeObject): boolean {
  const status = containerOf(pod)
  const { running, terminated } = status?.state ?? {}
  return (status?.imageID ?? '') !== '' || running !== undefined || terminated !== undefined
}

/** Why a pod is not ready, in the words of whoever keeps it from being so, in one line. */
export async function podReason(cluster: ClusterObjects, pod: KubeObject): Promise<string> {
  const name = `pod ${pod.metadata.name}`
  if (pod.metadata.deletionTimestamp !== undefined) return `${name} is stopping; pulls that run go on`
  const [problem, claims] = await Promise.all([podProblem(cluster, pod), claimReasons(cluster, pod)])
  if (problem === undefined) return `${name} is of an older install`
  const { reason, message, log } = problem
  const where = nodeOf(pod) === undefined ? '' : ` on ${nodeOf(pod)}`
  const words = message === '' ? reason : `${reason}: ${message}`
  const said = toldBy(log ?? '')
  return [`${name}${where}: ${words}`, ...(said === undefined ? [] : [said]), ...claims].join('; ')
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

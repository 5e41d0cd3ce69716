import { z } from 'zod'
import type { ClusterObjects, KubeObject } from './cluster-objects.ts'

/** Why a pod is not ready, in the words of the scheduler, the kubelet or the container itself. */
export interface PodProblem {
  readonly pod: string
  readonly node: string | undefined
  /** `Unschedulable`, `ImagePullBackOff`, `CrashLoopBackOff`, `ContainersNotReady`, …. */
  readonly reason: string
  readonly message: string
  /** The last lines of the container that ended, or that is not ready. */
  readonly log?: string
}

interface PodStatus {
  readonly phase?: string
  readonly reason?: string
  readonly message?: string
  readonly conditions?: readonly { type: string; status: string; reason?: string; message?: string }[]
  readonly containerStatuses?: readonly ContainerStatus[]
  readonly initContainerStatuses?: readonly ContainerStatus[]
}

interface ContainerStatus {
  readonly name: string
  readonly ready: boolean
  readonly restartCount: number
  readonly state?: {
    readonly waiting?: { reason?: string; message?: string }
    readonly terminated?: { reason?: string; message?: string; exitCode: number }
  }
  readonly lastState?: { readonly terminated?: { reason?: string; message?: string; exitCode: number } }
}

/** Of a pod or a node. */
export function isReady(pod: KubeObject): boolean {
  const { conditions = [] } = (pod['status'] ?? {}) as PodStatus
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
}

export function nodeOf(pod: KubeObject): string | undefined {
  return (pod['spec'] as { nodeName?: string } | undefined)?.nodeName
}

const placedSchema = z.object({
  nodeName: z.string().optional(),
  affinity: z
    .object({
      nodeAffinity: z.object({
        requiredDuringSchedulingIgnoredDuringExecution: z.object({
          nodeSelectorTerms: z.array(
            z.object({
              matchFields: z.array(z.object({ key: z.string(), values: z.array(z.string()) })).default([]),
            }),
          ),
        }),
      }),
    })
    .optional()
    .catch(undefined),
})

/** Where a DaemonSet's pod runs or, while the scheduler has found no room for it there, is to run. */
export function meantNodeOf(pod: KubeObject): string | undefined {
  const { nodeName, affinity } = placedSchema.safeParse(pod['spec'] ?? {}).data ?? {}
  const terms = affinity?.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms ?? []
  const fields = terms.flatMap(({ matchFields }) => matchFields)
  return nodeName ?? fields.find(({ key }) => key === 'metadata.name')?.values[0]
}

/** Undefined: it is ready. Asks for events and a log only where the status itself does not say enough. */
export async function podProblem(
  objects: Pick<ClusterObjects, 'list' | 'log'>,
  pod: KubeObject,
): Promise<PodProblem | undefined> {
  if (isReady(pod)) return undefined
  const found = statusProblem(
    (pod['status'] ?? {}) as PodStatus,
    pod.metadata.deletionTimestamp !== undefined,
  )
  const { name, namespace = '' } = pod.metadata
  const node = nodeOf(pod)
  const event = found.message === '' ? await lastWarning(objects, pod).catch(() => undefined) : undefined
  const lines =
    found.container === undefined ? undefined : await logOf(objects, { namespace, name, ...found })
  return {
    pod: name,
    node,
    reason: event?.reason ?? found.reason,
    message: event?.message ?? found.message,
    ...(lines === undefined ? {} : { log: lines }),
  }
}

function statusProblem(
  { phase = 'Pending', reason, message, conditions = [], ...status }: PodStatus,
  ending: boolean,
): { reason: string; message: string; container?: string; previous?: boolean } {
  if (ending) return { reason: 'Terminating', message: 'it is being taken away' }
  const unscheduled = conditions.find((each) => each.type === 'PodScheduled' && each.status === 'False')
  if (unscheduled !== undefined)
    return { reason: unscheduled.reason ?? 'Unschedulable', message: unscheduled.message ?? '' }
  if (reason !== undefined) return { reason, message: message ?? '' }
  const containers = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  for (const { name, state, lastState } of containers) {
    const ended = state?.terminated ?? lastState?.terminated
    const { waiting } = state ?? {}
    if (ended !== undefined && (ended.exitCode !== 0 || waiting !== undefined)) {
      return {
        reason: waiting?.reason ?? ended.reason ?? 'Error',
        message: `container ${name} ended with ${ended.exitCode}${ended.message ? `: ${ended.message.trim()}` : ''}`,
        container: name,
        previous: state?.terminated === undefined,
      }
    }
    if (
      waiting !== undefined &&
      waiting.reason !== 'ContainerCreating' &&
      waiting.reason !== 'PodInitializing'
    )
      return { reason: waiting.reason ?? 'Waiting', message: waiting.message ?? '' }
  }
  const late = containers.find(({ ready }) => !ready)
  if (phase === 'Running' && late !== undefined)
    return {
      reason: 'NotReady',
      message: `container ${late.name} runs and is not ready`,
      container: late.name,
    }
  return { reason: phase, message: '' }
}

const eventSchema = z.object({ reason: z.string().default(''), message: z.string().default('') })

export interface Warning extends z.infer<typeof eventSchema> {
  /** RFC 3339: when it was last seen; empty where the event does not say. */
  readonly time: string
}
const eventTimeSchema = z.object({ lastTimestamp: z.string().nullish(), eventTime: z.string().nullish() })

/** RFC 3339, so that texts compare as times do. */
function timeOfEvent(event: KubeObject): string {
  const { lastTimestamp, eventTime } = eventTimeSchema.parse(event)
  return lastTimestamp ?? eventTime ?? event.metadata.creationTimestamp ?? ''
}

/** The newest event of type Warning about an object: a volume that is not bound, an image that cannot be had. */
export async function lastWarning(
  objects: Pick<ClusterObjects, 'list'>,
  object: KubeObject,
): Promise<Warning | undefined> {
  return (await warningsAbout(objects, object)).at(-1)
}

/** Events of type Warning, the newest last. */
export async function warningsAbout(
  objects: Pick<ClusterObjects, 'list'>,
  { metadata: { name, namespace } }: KubeObject,
): Promise<Warning[]> {
  const events = await objects.list({
    apiVersion: 'v1',
    kind: 'Event',
    namespace,
    fieldSelector: `involvedObject.name=${name},type=Warning`,
  })
  return events
    .map((event) => ({ ...eventSchema.parse(event), time: timeOfEvent(event) }))
    .sort((one, other) => one.time.localeCompare(other.time))
}

async function logOf(
  objects: Pick<ClusterObjects, 'log'>,
  pod: { namespace: string; name: string; container?: string; previous?: boolean },
): Promise<string | undefined> {
  const { previous = false, ...rest } = pod
  const { namespace, name, container = '' } = rest
  return objects.log({ namespace, name, container }, { lines: 20, previous }).catch(() => undefined)
}

import { z } from 'zod'
import type { ClusterObjects, KubeObject } from './cluster-objects.ts'

/** Why a pod is not ready, in the words of the scheduler, the kubelet or the container. */
export interface PodProblem {
  readonly pod: string
  readonly node: string | undefined
  /** `Unschedulable`, `ImagePullBackOff`, `CrashLoopBackOff`, `ContainersNotReady`, …. */
  readonly reason: string
  readonly message: string
  /** The last log lines of the container that ended or is not ready. */
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

/** For a pod or a node. */
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

/** The node of a DaemonSet's pod: where it runs or, while it is unscheduled, where it is meant to run. */
export function meantNodeOf(pod: KubeObject): string | undefined {
  const { nodeName, affinity } = placedSchema.safeParse(pod['spec'] ?? {}).data ?? {}
  const terms = affinity?.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms ?? []
  const fields = terms.flatMap(({ matchFields }) => matchFields)
  return nodeName ?? fields.find(({ key }) => key === 'metadata.name')?.values[0]
}

/** Returns `undefined` for a ready pod. Asks for events and a log only if the status does not say enough. */
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
  /** When the event was last seen, RFC 3339; empty if the event does not say. */
  readonly time: string
}
const eventTimeSchema = z.object({ lastTimestamp: z.string().nullish(), eventTime: z.string().nullish() })

/** RFC 3339, so that string order is time order. */
function timeOfEvent(event: KubeObject): string {
  const { lastTimestamp, eventTime } = eventTimeSchema.parse(event)
  return lastTimestamp ?? eventTime ?? event.metadata.creationTimestamp ?? ''
}

/** The newest Warning event about an object, such as an unbound volume or an image that cannot be pulled. */
export async function lastWarning(
  objects: Pick<ClusterObjects, 'list'>,
  object: KubeObject,
): Promise<Warning | undefined> {
  return (await warningsAbout(objects, object)).at(-1)
}

/** Events of type Warning, oldest first. */
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

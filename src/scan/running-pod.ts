import { z } from 'zod'

/** An object that owns pods: `Deployment` `api`. */
export interface PodOwner {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
}

export interface RunningImage {
  /** `app`, `init db`, `debug shell`, `volume model`. */
  readonly place: string
  /** As the pod's spec has it. Undefined: nothing is written there. */
  readonly name: string | undefined
  /** What the node says that it runs; empty: nothing yet, or the node does not say it of this volume. */
  readonly imageId: string
}

/** Of a pod only what a scan looks at. */
export interface RunningPod {
  readonly namespace: string
  readonly name: string
  /** Empty: no node has it yet. */
  readonly node: string
  /** Whether the node made it from a file of its own, whatever an API server says. */
  readonly isStatic: boolean
  /** Its controller. Undefined: it has none, or is static. */
  readonly owner: PodOwner | undefined
  readonly images: readonly RunningImage[]
}

const text = z.string().catch('')
const listOf = <Item extends z.ZodType>(item: Item): z.ZodCatch<z.ZodArray<Item>> => z.array(item).catch([])
const container = z.object({ name: text, image: z.string().optional().catch(undefined) })
const mountStatus = z.object({
  name: text,
  volumeStatus: z
    .object({ image: z.object({ imageRef: text }) })
    .optional()
    .catch(undefined),
})
const status = z.object({ name: text, imageID: text, volumeMounts: listOf(mountStatus) })
const volume = z.object({
  name: text,
  image: z
    .object({ reference: z.string().optional().catch(undefined) })
    .optional()
    .catch(undefined),
})
const ownerReference = z.object({
  apiVersion: text,
  kind: text,
  name: text,
  controller: z.boolean().catch(false),
})

/** Kubernetes API v1, Pod. A field of another type counts as absent: one odd pod hides no other. */
const podSchema = z.object({
  metadata: z.object({
    namespace: text,
    name: text,
    annotations: z.record(z.string(), z.unknown()).catch({}),
    ownerReferences: listOf(ownerReference),
  }),
  spec: z
    .object({
      nodeName: text,
      containers: listOf(container),
      initContainers: listOf(container),
      ephemeralContainers: listOf(container),
      volumes: listOf(volume),
    })
    .optional()
    .catch(undefined),
  status: z
    .object({
      phase: text,
      containerStatuses: listOf(status),
      initContainerStatuses: listOf(status),
      ephemeralContainerStatuses: listOf(status),
    })
    .optional()
    .catch(undefined),
})

/** The annotation that the kubelet puts on what it shows of a static pod. */
const mirror = 'kubernetes.io/config.mirror'

/** Undefined: the pod has ended, or the value is no pod. */
export function readRunningPod(value: unknown): RunningPod | undefined {
  const parsed = podSchema.safeParse(value)
  if (!parsed.success) return undefined
  const { metadata, spec, status: now } = parsed.data
  if (spec === undefined || now?.phase === 'Succeeded' || now?.phase === 'Failed') return undefined
  const controller = metadata.ownerReferences.find((reference) => reference.controller)
  const isStatic = mirror in metadata.annotations
  const listed = [
    [spec.initContainers, now?.initContainerStatuses, 'init '],
    [spec.containers, now?.containerStatuses, ''],
    [spec.ephemeralContainers, now?.ephemeralContainerStatuses, 'debug '],
  ] as const
  const mounts = listed.flatMap(([, statuses = []]) => statuses).flatMap(({ volumeMounts }) => volumeMounts)
  const volumeIds = new Map(
    mounts.map(({ name, volumeStatus }) => [name, volumeStatus?.image.imageRef ?? '']),
  )
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    node: spec.nodeName,
    isStatic,
    owner:
      isStatic || controller === undefined
        ? undefined
        : { apiVersion: controller.apiVersion, kind: controller.kind, name: controller.name },
    images: [
      ...listed.flatMap(([containers, statuses = [], kind]) => {
        const ids = new Map(statuses.map(({ name, imageID }) => [name, imageID]))
        return containers.map(({ name, image }) => ({
          place: `${kind}${name}`,
          name: bounded(image),
          imageId: bounded(ids.get(name)) ?? '',
        }))
      }),
      ...spec.volumes.flatMap(({ name, image }) =>
        image === undefined
          ? []
          : [
              {
                place: `volume ${name}`,
                name: bounded(image.reference),
                imageId: bounded(volumeIds.get(name)) ?? '',
              },
            ],
      ),
    ],
  }
}

/** No image name and no image id is as long, in UTF-16 units. A pod's spec can hold a text of more than a megabyte. */
const longestText = 1024

function bounded(given: string | undefined): string | undefined {
  if (given === undefined || given.length <= longestText) return given
  // A copy, since a slice would keep the whole text in memory.
  return Buffer.from(given.slice(0, longestText)).toString('utf8')
}

import { z } from 'zod'

/** The lists of a pod that name images (Kubernetes API v1, PodSpec). */
export type ImageList = 'containers' | 'initContainers' | 'ephemeralContainers' | 'volumes'

/** An image at its place in a pod. */
export interface PlacedImage {
  readonly list: ImageList
  /** Of the container or volume, which is unique in its list. */
  readonly name: string
  /** As it was written. Undefined: nothing was. */
  readonly image: string | undefined
}

/** Null is what some clients send for a list without entries. */
const list = <Item extends z.ZodType>(item: Item): z.ZodOptional<z.ZodNullable<z.ZodArray<Item>>> =>
  z.array(item).nullable().optional()
const container = z.object({ name: z.string().catch(''), image: z.string().nullish() })
const volume = z.object({
  name: z.string().catch(''),
  image: z.object({ reference: z.string().nullish() }).nullish(),
})

/** Of a pod's spec, what an image policy looks at. Everything else is dropped. */
export const podSpec = z.object({
  containers: list(container),
  initContainers: list(container),
  ephemeralContainers: list(container),
  volumes: list(volume),
  serviceAccountName: z.string().nullish(),
})

export type PodSpec = z.infer<typeof podSpec>

const containerLists = ['initContainers', 'containers', 'ephemeralContainers'] as const

/** Every image of a pod, in the order in which it starts them. */
export function podImages(spec: PodSpec): readonly PlacedImage[] {
  const images = containerLists.flatMap((name) =>
    (spec[name] ?? []).map((each) => ({ list: name, name: each.name, image: each.image ?? undefined })),
  )
  const volumes = (spec.volumes ?? []).flatMap(({ name, image }): PlacedImage[] =>
    image == null ? [] : [{ list: 'volumes', name, image: image.reference ?? undefined }],
  )
  return [...images, ...volumes]
}

/**
 * The images that are new or differ from the one at the same place. The place is list and name: an update that moves an image
 * from one container to another changes both.
 */
export function changedImages(
  now: readonly PlacedImage[],
  before: readonly PlacedImage[],
): readonly PlacedImage[] {
  const old = new Map(before.map((each) => [placeKey(each), each.image]))
  return now.filter((each) => !old.has(placeKey(each)) || old.get(placeKey(each)) !== each.image)
}

/** For messages: `app`, `init: db`, `volume: model`. */
export function placeText({ list: name, name: own }: PlacedImage): string {
  const kind = { containers: '', initContainers: 'init', ephemeralContainers: 'debug', volumes: 'volume' }[
    name
  ]
  return kind === '' ? own : `${kind} ${own}`
}

function placeKey({ list: name, name: own }: PlacedImage): string {
  return `${name}/${own}`
}

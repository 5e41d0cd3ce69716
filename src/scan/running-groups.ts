import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ObjectPages } from '../cluster/object-pages.ts'
import { readRunningPod, type PodOwner, type RunningImage, type RunningPod } from './running-pod.ts'

/** An image that runs in a namespace, whatever number of pods run it. One object for each. */
export interface NamespaceImage extends Omit<RunningImage, 'place'> {
  readonly namespace: string
}

export interface PlacedImage {
  readonly place: string
  readonly image: NamespaceImage
}

/** Pods of one controller that run the same images at the same places. */
export interface RunningGroup extends Omit<RunningPod, 'images' | 'name' | 'node'> {
  readonly images: readonly PlacedImage[]
  /** How many they are. */
  pods: number
  /** One of them. */
  readonly example: { readonly name: string; readonly node: string }
}

export interface RunningGroups {
  readonly groups: readonly RunningGroup[]
  readonly images: readonly NamespaceImage[]
  readonly pods: number
  /** Pods that were not looked at, because there are more kinds of pods than are kept. */
  readonly leftOut: number
}

const selection = {
  apiVersion: 'v1',
  kind: 'Pod',
  fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
}
/** About 1 KB each: pods without a controller are groups of their own. */
const mostGroups = 50_000
/** Pods between two turns of the event loop; a pod of usual size is looked at in 30 µs. */
const podsOfTurn = 100

/** Reads the pods of a cluster that have not ended, and keeps a few fields of them. Rejects with ClusterFault. */
export async function readRunningGroups(pages: ObjectPages, signal: AbortSignal): Promise<RunningGroups> {
  let book = new GroupBook()
  for await (const event of runningPods(pages, signal)) {
    if (event.kind === 'restart') book = new GroupBook()
    else for (const pod of event.pods) book.add(pod)
  }
  return book.read
}

type PodEvent =
  | { readonly kind: 'pods'; readonly pods: readonly RunningPod[] }
  /** The list begins anew. */
  | { readonly kind: 'restart' }

/** The pods of a cluster that have not ended, some at a time. Rejects with ClusterFault. */
export async function* runningPods(pages: ObjectPages, signal: AbortSignal): AsyncGenerator<PodEvent> {
  for await (const event of pages.pages(selection, signal)) {
    if (event.kind === 'restart') {
      yield event
      continue
    }
    for (let from = 0; from < event.items.length; from += podsOfTurn) {
      if (from > 0) await nextTurn()
      const items = event.items.slice(from, from + podsOfTurn)
      yield { kind: 'pods', pods: items.flatMap((item) => readRunningPod(item) ?? []) }
    }
  }
}

/** Equal texts and images are kept once. */
class GroupBook {
  readonly #groups = new Map<string, RunningGroup>()
  readonly #images = new Map<string, NamespaceImage>()
  #pods = 0
  #leftOut = 0

  add({ images, name, node, ...rest }: RunningPod): void {
    this.#pods++
    const { namespace, isStatic, owner } = rest
    // What has no controller is not the same as anything else, and is told by its name.
    const whose = owner === undefined ? ['', '', name] : [owner.apiVersion, owner.kind, owner.name]
    const what = images.flatMap((image) => [image.place, image.name ?? null, image.imageId])
    const key = JSON.stringify([namespace, isStatic, ...whose, ...what])
    const known = this.#groups.get(key)
    if (known !== undefined) known.pods++
    else if (this.#groups.size >= mostGroups) this.#leftOut++
    else
      this.#groups.set(key, {
        ...rest,
        pods: 1,
        example: { name, node },
        images: images.map(({ place, ...image }) => ({ place, image: this.#imageOf(namespace, image) })),
      })
  }

  get read(): RunningGroups {
    return {
      groups: [...this.#groups.values()],
      images: [...this.#images.values()],
      pods: this.#pods,
      leftOut: this.#leftOut,
    }
  }

  #imageOf(namespace: string, { name, imageId }: Omit<RunningImage, 'place'>): NamespaceImage {
    const key = JSON.stringify([namespace, name ?? null, imageId])
    let image = this.#images.get(key)
    if (image === undefined) this.#images.set(key, (image = { namespace, name, imageId }))
    return image
  }
}

/** The controller, or of a pod without one the pod itself. */
export function ownerOf({ owner, example }: RunningGroup): PodOwner {
  return owner ?? { apiVersion: 'v1', kind: 'Pod', name: example.name }
}

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import type { ObjectPages } from '../cluster/object-pages.ts'
import { parseImageReference, printReference, type NameSettings } from '../policy/image-reference.ts'
import { parseImageId } from './image-id.ts'
import { runningPods } from './running-groups.ts'
import type { PodOwner, RunningImage, RunningPod } from './running-pod.ts'
import { TopOwners } from './top-owners.ts'

export interface SoughtContent {
  /** Of indexes, manifests and configs. */
  readonly digests: ReadonlySet<string>
  /** Canonical names, as `@trow/shop/api:1.4`, that point to one of them now. */
  readonly names: ReadonlySet<string>
  readonly settings: NameSettings
}

export interface PodRunning {
  readonly namespace: string
  readonly pod: string
  readonly node: string
  /** Undefined: nobody made the pod but who wrote it. */
  readonly owner: PodOwner | undefined
  readonly isStatic: boolean
  readonly place: string
  /** As the pod has it. */
  readonly image: string
  /** `digest`: the node or the pod says it; `name`: the name points to it now, and the node does not say more. */
  readonly by: 'digest' | 'name'
}

export interface PodsRunning {
  readonly pods: readonly PodRunning[]
  /** Places in pods beyond those that are listed. */
  readonly leftOut: number
}

const mostListed = 1000

/** Finds the pods that run content, and whose they are. Rejects with ClusterFault. */
export async function podsRunning(
  objects: Pick<ClusterObjects, 'get'> & ObjectPages,
  sought: SoughtContent,
  signal: AbortSignal,
): Promise<PodsRunning> {
  let found: Found[] = []
  let leftOut = 0
  for await (const event of runningPods(objects, signal)) {
    if (event.kind === 'restart') {
      found = []
      leftOut = 0
      continue
    }
    for (const pod of event.pods)
      for (const image of pod.images) {
        const by = howFound(image, sought)
        if (by === undefined) continue
        if (found.length < mostListed) found.push({ pod, image, by })
        else leftOut++
      }
    await nextTurn()
  }
  const owners = new TopOwners(objects, () => performance.now())
  await owners.look(
    found.flatMap(({ pod: { namespace, owner } }) => (owner === undefined ? [] : { namespace, owner })),
  )
  return { pods: found.map((each) => shown(each, owners)), leftOut }
}

interface Found {
  readonly pod: RunningPod
  readonly image: RunningImage
  readonly by: PodRunning['by']
}

function howFound(
  { name, imageId }: RunningImage,
  { digests, names, settings }: SoughtContent,
): PodRunning['by'] | undefined {
  const running = parseImageId(imageId)
  if (running !== undefined && digests.has(running.digest)) return 'digest'
  const reference = parseImageReference(name, settings)
  if (reference.kind === 'problem') return undefined
  if (reference.digest !== undefined) return digests.has(reference.digest) ? 'digest' : undefined
  const isSaid = running !== undefined && !running.isConfig
  return !isSaid && names.has(printReference(reference)) ? 'name' : undefined
}

function shown({ pod, image, by }: Found, owners: TopOwners): PodRunning {
  const { namespace, name, node, owner, isStatic } = pod
  return {
    namespace,
    pod: name,
    node,
    owner: owner && owners.topOf({ namespace, owner }),
    isStatic,
    place: image.place,
    image: image.name ?? '',
    by,
  }
}

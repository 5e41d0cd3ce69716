import pLimit from 'p-limit'
import { z } from 'zod'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import { RecentCache } from '../recent-cache.ts'
import type { PodOwner } from './running-pod.ts'

interface Owned {
  readonly namespace: string
  readonly owner: PodOwner
}

/** Controllers that a person has not made: another one stands behind them. */
const between: ReadonlySet<string> = new Set(['ReplicaSet', 'Job'])
/** Requests of one look; owners beyond that stay as they are, until a later look. */
const mostAsked = 1000
const concurrency = 8
/** Names are used again, so an answer is not kept for ever: milliseconds. */
const keptFor = 3_600_000
const mostKept = 10_000

const reference = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  controller: z.boolean().optional(),
})

/** Finds the Deployment behind a ReplicaSet and the CronJob behind a Job, as their `ownerReferences` say. */
export class TopOwners {
  readonly #objects: Pick<ClusterObjects, 'get'>
  readonly #now: () => number
  readonly #known = new RecentCache<string, { readonly top: PodOwner; readonly until: number }>(mostKept)

  /** `now`: milliseconds, of any clock. */
  constructor(objects: Pick<ClusterObjects, 'get'>, now: () => number) {
    this.#objects = objects
    this.#now = now
  }

  /** Looks the owners up that are not known. Without the right to read them, or with the API server away, they stay unknown. */
  async look(owned: readonly Owned[]): Promise<void> {
    const wanted = new Map<string, Owned>()
    for (const each of owned) {
      if (wanted.size === mostAsked) break
      if (between.has(each.owner.kind) && this.#kept(each) === undefined) wanted.set(keyOf(each), each)
    }
    let isRefused = false
    await pLimit(concurrency).map(wanted, async ([key, each]) => {
      if (isRefused) return
      try {
        this.#known.set(key, { top: await this.#ask(each), until: this.#now() + keptFor })
      } catch (error) {
        if (!(error instanceof ClusterFault)) throw error
        isRefused = true
      }
    })
  }

  /** The top owner, or the owner itself as far as that is known. */
  topOf(owned: Owned): PodOwner {
    return this.#kept(owned) ?? owned.owner
  }

  #kept(owned: Owned): PodOwner | undefined {
    const known = this.#known.get(keyOf(owned))
    return known !== undefined && known.until > this.#now() ? known.top : undefined
  }

  async #ask({ namespace, owner }: Owned): Promise<PodOwner> {
    const object = await this.#objects.get({ ...owner, namespace })
    const references = z.array(reference).safeParse(object?.metadata['ownerReferences']).data ?? []
    const { apiVersion, kind, name } = references.find(({ controller }) => controller === true) ?? owner
    return { apiVersion, kind, name }
  }
}

function keyOf({ namespace, owner: { kind, name } }: Owned): string {
  return `${namespace}/${kind}/${name}`
}

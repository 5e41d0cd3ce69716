import { z } from 'zod'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { labels, names } from '../cluster/layout.ts'

/** Seconds without renewal after which another node may go on. */
const duration = 600
/** The one of all nodes, as agents of the release before have it. */
const sharedLease = 'trow-node-restart'

const leaseSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z
    .object({
      holderIdentity: z.string().nullish(),
      acquireTime: z.string().nullish(),
      renewTime: z.string().nullish(),
      leaseDurationSeconds: z.number().nullish(),
    })
    .nullish(),
})

interface NodeLease {
  readonly node: string
  /** It has its turn; else it has only asked for it. */
  readonly acquired: boolean
  readonly expired: boolean
}

export type LeaseAnswer = { readonly held: true } | { readonly held: false; readonly holder: string }

/**
 * One node at a time restarts its runtime. Who holds its turn keeps it until its canary was pulled again, so that a setting
 * that breaks runtimes breaks one.
 *
 * Each node has a Lease of its own (coordination.k8s.io/v1, `node-<name>`), which is all that its account may write. A node
 * first asks in its Lease, then reads those of all: it has its turn where nobody else asks or has it. Of two that ask at
 * once each sees the other, as both wrote before they read; then the one whose name comes later takes its wish back.
 */
export class RuntimeLease {
  readonly #objects: ClusterObjects
  readonly #namespace: string
  readonly #node: string
  readonly #now: () => number

  constructor(options: {
    readonly objects: ClusterObjects
    readonly namespace: string
    readonly node: string
    readonly now: () => number
  }) {
    this.#objects = options.objects
    this.#namespace = options.namespace
    this.#node = options.node
    this.#now = options.now
  }

  /** Takes or renews it; says who has it where that is another node. Rejects with ClusterFault. */
  async take(): Promise<LeaseAnswer> {
    const time = new Date(this.#now()).toISOString().replace('Z', '000Z')
    const isHeld = await this.isHeld()
    const wish = { holderIdentity: this.#node, leaseDurationSeconds: duration, renewTime: time }
    if (!(await this.#write(isHeld ? wish : { ...wish, acquireTime: null }))) {
      await this.#objects.apply(this.#blank())
      await this.#write(isHeld ? { ...wish, acquireTime: time } : wish)
    }
    if (isHeld) return { held: true }
    const others = (await this.#leases()).filter(({ node, expired }) => node !== this.#node && !expired)
    const holder = others.find(({ acquired }) => acquired) ?? others[0]
    if (holder === undefined) {
      await this.#write({ acquireTime: time })
      return { held: true }
    }
    if (others.some(({ node }) => node < this.#node)) await this.release()
    return { held: false, holder: holder.node }
  }

  /** Of an agent before this one on the node too, and of one of the release before. */
  async isHeld(): Promise<boolean> {
    return (await this.#leases()).some(({ node, acquired }) => node === this.#node && acquired)
  }

  /** Lets the next node go on. */
  async release(): Promise<void> {
    await this.#write({ holderIdentity: null, acquireTime: null, renewTime: null })
  }

  /** Those that are asked for or held; an agent says nothing of another node, whatever stands in its Lease. */
  async #leases(): Promise<NodeLease[]> {
    const found = await this.#objects.list({ ...kind, namespace: this.#namespace })
    return found.flatMap((object) => {
      const parsed = leaseSchema.safeParse(object)
      if (!parsed.success) return []
      const { metadata, spec } = parsed.data
      const holder = spec?.holderIdentity ?? ''
      const isShared = metadata.name === sharedLease
      if (holder === '' || (!isShared && metadata.name !== names.report(holder))) return []
      const seconds = spec?.leaseDurationSeconds ?? duration
      const renewed = Date.parse(spec?.renewTime ?? '') || 0
      return {
        node: holder,
        acquired: typeof spec?.acquireTime === 'string',
        expired: this.#now() - renewed > seconds * 1000,
      }
    })
  }

  /** False: it is not there. */
  async #write(spec: object): Promise<boolean> {
    return (await this.#objects.patch(this.#reference(), { spec })) !== undefined
  }

  #reference() {
    return { ...kind, name: names.report(this.#node), namespace: this.#namespace } as const
  }

  #blank(): KubeObject {
    const { apiVersion, kind: what, name, namespace } = this.#reference()
    return { apiVersion, kind: what, metadata: { name, namespace, labels: labels.of('node') } }
  }
}

const kind = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' } as const

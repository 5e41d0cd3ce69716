import { z } from 'zod'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { labels, names } from '../cluster/layout.ts'

/** Seconds without renewal after which another node may take the turn. */
const duration = 600
/** The Lease of all nodes together, as agents of the previous release use it. */
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
  /** The node has the turn; false: it has only asked for it. */
  readonly acquired: boolean
  readonly expired: boolean
}

export type LeaseAnswer = { readonly held: true } | { readonly held: false; readonly holder: string }

/**
 * Lets one node at a time restart its runtime. The node that has the turn keeps it until it has pulled the
 * canary again, so that a setting that breaks runtimes breaks only one.
 *
 * Each node has a Lease of its own (coordination.k8s.io/v1, `node-<name>`), the only one that its account may
 * write. A node first asks in its Lease, then reads those of all nodes: it has the turn if no other node asks
 * for it or has it. Two nodes that ask at once see each other, as both write before they read; then the one
 * whose name comes later withdraws.
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

  /** Takes or renews the turn, or returns the other node that has it. Rejects with ClusterFault. */
  async take(): Promise<LeaseAnswer> {
    const time = new Date(this.#now()).toISOString().replace('Z', '000Z')
    const isHeld = await this.isHeld()
    const leaseSpec = { holderIdentity: this.#node, leaseDurationSeconds: duration, renewTime: time }
    if (!(await this.#write(isHeld ? leaseSpec : { ...leaseSpec, acquireTime: null }))) {
      await this.#objects.apply(this.#blank())
      await this.#write(isHeld ? { ...leaseSpec, acquireTime: time } : leaseSpec)
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

  /** True also if a previous agent on this node, or one of the previous release, took the turn. */
  async isHeld(): Promise<boolean> {
    return (await this.#leases()).some(({ node, acquired }) => node === this.#node && acquired)
  }

  /** Lets the next node take the turn. */
  async release(): Promise<void> {
    await this.#write({ holderIdentity: null, acquireTime: null, renewTime: null })
  }

  /**
   * The Leases that are asked for or held. An agent cannot ask for another node: a Lease counts only for the
   * node in its name, except for the shared one.
   */
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

  /** False: the Lease does not exist. */
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

import { z } from 'zod'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { labels } from '../cluster/layout.ts'

export const leaseName = 'trow-node-restart'
/** Seconds without renewal after which another node may go on. */
const duration = 600

const leaseSchema = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z
    .object({
      holderIdentity: z.string().nullish(),
      renewTime: z.string().nullish(),
      leaseDurationSeconds: z.number().nullish(),
    })
    .nullish(),
})

export type LeaseAnswer = { readonly held: true } | { readonly held: false; readonly holder: string }

/**
 * One node at a time restarts its runtime: a Lease (coordination.k8s.io/v1) in the agents' namespace. Who holds it keeps
 * it until its canary was pulled again, so that a setting that breaks runtimes breaks one.
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
    const { version, holder, renewed, seconds } = await this.#read()
    const expired = this.#now() - renewed > seconds * 1000
    if (holder !== '' && holder !== this.#node && !expired) return { held: false, holder }
    const time = new Date(this.#now()).toISOString().replace('Z', '000Z')
    const taken = await this.#write(version, {
      holderIdentity: this.#node,
      leaseDurationSeconds: duration,
      renewTime: time,
      ...(holder === this.#node ? {} : { acquireTime: time }),
    })
    return taken ? { held: true } : { held: false, holder: (await this.#read()).holder }
  }

  async isHeld(): Promise<boolean> {
    return (
      (await this.#objects.get(this.#reference())) !== undefined && (await this.#read()).holder === this.#node
    )
  }

  /** Lets the next node go on; nothing where another one has it. */
  async release(): Promise<void> {
    const { version, holder } = await this.#read()
    if (holder === this.#node) await this.#write(version, { holderIdentity: null, renewTime: null })
  }

  async #read(): Promise<{ version: string; holder: string; renewed: number; seconds: number }> {
    const lease = (await this.#objects.get(this.#reference())) ?? (await this.#objects.apply(this.#blank()))
    const { metadata, spec } = leaseSchema.parse(lease)
    return {
      version: metadata.resourceVersion,
      holder: spec?.holderIdentity ?? '',
      renewed: Date.parse(spec?.renewTime ?? '') || 0,
      seconds: spec?.leaseDurationSeconds ?? duration,
    }
  }

  /** False: somebody was faster (409, for the version is that of what was read). */
  async #write(resourceVersion: string, spec: object): Promise<boolean> {
    try {
      const patch = { metadata: { resourceVersion }, spec }
      return (await this.#objects.patch(this.#reference(), patch)) !== undefined
    } catch (error) {
      if (error instanceof ClusterFault && error.status === 409) return false
      throw error
    }
  }

  #reference() {
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      name: leaseName,
      namespace: this.#namespace,
    } as const
  }

  #blank(): KubeObject {
    const { apiVersion, kind, name, namespace } = this.#reference()
    return { apiVersion, kind, metadata: { name, namespace, labels: labels.of('node') } }
  }
}

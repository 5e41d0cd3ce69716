import { z } from 'zod'
import { ClusterFault } from './cluster-fault.ts'
import type { ClusterObjects } from './cluster-objects.ts'
import { checkObject } from './kube-json.ts'

export interface ClusterLeaseParts {
  readonly objects: Pick<ClusterObjects, 'get' | 'patch'>
  readonly namespace: string
  readonly name: string
  /** Of this process, unlike any other's: the name of its pod. */
  readonly identity: string
  /** Milliseconds since 1970, for others to read. */
  readonly now: () => number
  /** Milliseconds of a clock that does not jump. */
  readonly monotonic: () => number
  /** Seconds without renewal after which another may take it; 15 by default. */
  readonly duration?: number
}

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

/**
 * A Lease (coordination.k8s.io/v1) of which one process has hold at a time. When another's has run out is measured by the own
 * clock from the last change that was seen, so that clocks that differ give it to nobody too early.
 */
export class ClusterLease {
  readonly #parts: ClusterLeaseParts
  #seen: { readonly version: string; readonly at: number } | undefined
  #heldUntil = -Infinity

  constructor(parts: ClusterLeaseParts) {
    this.#parts = parts
  }

  /** Whether it is held now, without asking: until so long after the last renewal as another must wait at least. */
  get isHeld(): boolean {
    return this.#parts.monotonic() < this.#heldUntil
  }

  /** Takes or renews it. False: another has it. Rejects with ClusterFault; also where there is no such Lease. */
  async take(): Promise<boolean> {
    const { objects, identity, monotonic, namespace, name } = this.#parts
    const begun = monotonic()
    const found = await objects.get(this.#reference())
    if (found === undefined)
      throw new ClusterFault('refused', `there is no Lease ${name} in namespace ${namespace}`, {
        status: 404,
      })
    const { metadata, spec } = checkObject(found, leaseSchema)
    const version = metadata.resourceVersion
    if (this.#seen?.version !== version) this.#seen = { version, at: begun }
    const holder = spec?.holderIdentity ?? ''
    const duration = (spec?.leaseDurationSeconds ?? this.#duration) * 1000
    const isFree = holder === '' || holder === identity || begun - this.#seen.at > duration
    const isTaken = isFree && (await this.#write(version, identity))
    this.#heldUntil = isTaken ? begun + this.#duration * 1000 : -Infinity
    return isTaken
  }

  /** Lets another take it at once. Rejects with ClusterFault. */
  async release(): Promise<void> {
    if (!this.isHeld) return
    this.#heldUntil = -Infinity
    const found = await this.#parts.objects.get(this.#reference())
    if (found === undefined) return
    const { metadata, spec } = checkObject(found, leaseSchema)
    if (spec?.holderIdentity === this.#parts.identity) await this.#write(metadata.resourceVersion, null)
  }

  /** False: somebody else was faster. */
  async #write(resourceVersion: string, holderIdentity: string | null): Promise<boolean> {
    const time = new Date(this.#parts.now()).toISOString().replace('Z', '000Z')
    const spec = { holderIdentity, leaseDurationSeconds: this.#duration, renewTime: time }
    try {
      const patch = { metadata: { resourceVersion }, spec }
      return (await this.#parts.objects.patch(this.#reference(), patch)) !== undefined
    } catch (error) {
      if (error instanceof ClusterFault && error.status === 409) return false
      throw error
    }
  }

  get #duration(): number {
    return this.#parts.duration ?? 15
  }

  #reference() {
    const { namespace, name } = this.#parts
    return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace, name } as const
  }
}

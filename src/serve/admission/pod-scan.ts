import { RegistryContent } from '../../admission/registry-content.ts'
import type { OpenClusterObjects } from '../../cluster/kubernetes-objects.ts'
import type { Log } from '../../log.ts'
import { PolicySet } from '../../policy/policy-set.ts'
import type { PolicySnapshot } from '../../policy-store/policy-snapshot.ts'
import { RunningScan } from '../../scan/running-scan.ts'
import { WorkerPolicies } from '../threads/worker-policies.ts'
import { RegistryClient, type RegistryClientParts } from './registry-client.ts'

export interface PodScanParts {
  readonly objects: OpenClusterObjects
  /** Of trow. */
  readonly namespace: string
  readonly registry: Omit<RegistryClientParts, 'now'>
  readonly log: Log
}

interface Scanning {
  readonly policies: WorkerPolicies
  readonly client: RegistryClient
  readonly scan: RunningScan
}

interface Taken {
  readonly snapshot: PolicySnapshot
  /** As of `PackedPolicies`. */
  readonly madeAt: number
}

/** Scans running pods while this pod holds the Lease. Policies are indexed only for that time. */
export class PodScan {
  readonly #parts: PodScanParts
  #latest: Taken | undefined
  #scanning: Scanning | undefined

  constructor(parts: PodScanParts) {
    this.#parts = parts
  }

  /** Call it with every snapshot that is published. */
  take(snapshot: PolicySnapshot, madeAt: number): void {
    this.#latest = { snapshot, madeAt }
    if (this.#scanning !== undefined) judgeBy(this.#latest, this.#scanning)
  }

  /** Call it with every look at the Lease. */
  async hold(isHeld: boolean): Promise<void> {
    if (isHeld === (this.#scanning !== undefined)) return
    if (isHeld) this.#start()
    else await this.stop()
  }

  async stop(): Promise<void> {
    const scanning = this.#scanning
    this.#scanning = undefined
    await scanning?.scan.stop()
    scanning?.client.close()
  }

  /** Prometheus text; empty on the pods that do not scan. */
  get metrics(): string {
    return this.#scanning?.scan.metrics ?? ''
  }

  #start(): void {
    const { objects, namespace, registry, log } = this.#parts
    const monotonic = (): number => performance.now()
    const client = new RegistryClient({ ...registry, now: monotonic })
    const policies = new WorkerPolicies()
    const content = new RegistryContent({
      ask: (question, signal) => client.facts(question, signal),
      now: monotonic,
    })
    const now = (): number => policies.now()
    const scan = new RunningScan({ objects, namespace, feed: policies, content, now, log })
    this.#scanning = { policies, client, scan }
    if (this.#latest !== undefined) judgeBy(this.#latest, this.#scanning)
    scan.start()
  }
}

/** The set shares its entries with the snapshot, which this thread holds anyway: unpacked anew they would be held twice. */
function judgeBy({ snapshot, madeAt }: Taken, { policies }: Scanning): void {
  const { exceptions, settings, generation, registryGeneration, now } = snapshot
  policies.put(new PolicySet(snapshot.policies, exceptions, settings), {
    generation,
    registryGeneration,
    now,
    madeAt,
  })
}

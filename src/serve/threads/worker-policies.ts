import type { PoliciesOfNow, PolicyFeed } from '../../enforcement/policy-feed.ts'
import type { PolicySet } from '../../policy/policy-set.ts'
import { unpackPolicies, type PackedPolicies } from '../../policy-store/packed-policies.ts'
import { WakeUps } from '../../policy-store/wake-ups.ts'
import { systemUptime } from './system-uptime.ts'

/** Of which policies it is, and the time by their clock. */
type PolicyStamp = Pick<PackedPolicies, 'generation' | 'registryGeneration' | 'now' | 'madeAt'>

/** The policies that a thread judges by. */
export class WorkerPolicies implements PolicyFeed {
  #current: PoliciesOfNow | undefined
  #latest: PolicyStamp | undefined
  readonly #wakeUps = new WakeUps()

  get current(): PoliciesOfNow | undefined {
    return this.#current
  }

  /**
   * Milliseconds since 1970 by which exceptions end: at least what the policy thread's clock says, which does not go
   * back with the wall clock.
   */
  now(): number {
    const wall = Date.now()
    if (this.#latest === undefined) return wall
    return Math.max(wall, this.#latest.now + systemUptime() - this.#latest.madeAt)
  }

  /** Resolves when requests are judged by them, or by those of a later call. */
  async take(packed: PackedPolicies): Promise<void> {
    const { generation, registryGeneration, now, madeAt } = packed
    // The bytes are not kept: they are as large as the policies.
    const stamp = { generation, registryGeneration, now, madeAt }
    this.#latest = stamp
    const set = await unpackPolicies(packed)
    if (this.#latest !== stamp) return this.newerThan(generation - 1, Infinity)
    this.put(set, stamp)
  }

  /** Requests are judged by the set from now on. */
  put(set: PolicySet, stamp: PolicyStamp): void {
    this.#latest = stamp
    const { generation, registryGeneration } = stamp
    this.#current = { set, generation, registryGeneration }
    this.#wakeUps.wake()
  }

  async newerThan(generation: number, limit: number): Promise<void> {
    const end = performance.now() + limit
    while ((this.#current?.generation ?? -1) <= generation) {
      const left = end - performance.now()
      if (left <= 0) return
      await this.#wakeUps.wait(left)
    }
  }
}

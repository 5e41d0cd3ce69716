import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { policyStatusSchema, type PolicyObjectStatus } from '../cluster/policy-object.ts'
import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import { isSaid, objectStatus } from './object-status.ts'
import type { UnitOutcome } from './policy-source.ts'

interface StatusWriterParts {
  readonly objects: Pick<ClusterObjects, 'apply'>
  readonly now: () => number
  readonly log: Log
}

interface WatchedPolicy {
  readonly object: Pick<KubeObject, 'apiVersion' | 'kind' | 'metadata'>
  /** When an exception ends, in milliseconds since 1970. */
  readonly expires: number | undefined
  readonly version: string
  status: PolicyObjectStatus | undefined
  /** When a write that failed is made again, in milliseconds since 1970. */
  retryAt: number
}

interface Due {
  readonly unit: string
  readonly seen: WatchedPolicy
  readonly status: PolicyObjectStatus
}

/** Milliseconds between two writes, until one that failed is made again, and until there may be others. */
const pauses = { usual: 200, failed: 5000, longest: 1000 }

/** Keeps the `status` of objects at what has become of them, one write after the other. */
export class StatusWriter {
  readonly #parts: StatusWriterParts
  readonly #seen = new Map<string, WatchedPolicy>()
  readonly #end = new AbortController()
  #outcomes: ReadonlyMap<string, UnitOutcome> = new Map()
  #isRunning = false
  #running: Promise<void> | undefined
  #fault: string | undefined

  constructor(parts: StatusWriterParts) {
    this.#parts = parts
  }

  /** Its status now is what others see. */
  seen(unit: string, { apiVersion, kind, metadata, spec, status }: KubeObject): void {
    const { name, uid, generation } = metadata
    const expires = Date.parse(String((spec as { readonly expires?: unknown } | undefined)?.expires))
    this.#seen.set(unit, {
      object: { apiVersion, kind, metadata: { name, ...(uid === undefined ? {} : { uid }) } },
      expires: Number.isNaN(expires) ? undefined : expires,
      version: `${uid}/${generation}`,
      status: policyStatusSchema.safeParse(status).data,
      retryAt: 0,
    })
  }

  gone(unit: string): void {
    this.#seen.delete(unit)
  }

  report(outcomes: readonly UnitOutcome[]): void {
    this.#outcomes = new Map(outcomes.map((outcome) => [outcome.name, outcome]))
    if (!this.#isRunning) this.#running = this.#run()
  }

  async close(): Promise<void> {
    this.#end.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#end
    this.#isRunning = true
    for (let due = this.#due(); due !== undefined && !signal.aborted; due = this.#due()) {
      const wait = due.seen.retryAt - this.#parts.now()
      if (wait <= 0) await this.#write(due)
      const pause = Math.min(Math.max(wait, pauses.usual), pauses.longest)
      await sleep(pause, undefined, { signal }).catch(() => undefined)
    }
    this.#isRunning = false
  }

  /** One whose status says something else: one that has not failed before one that has. */
  #due(): Due | undefined {
    let first: Due | undefined
    for (const [unit, outcome] of this.#outcomes) {
      const seen = this.#seen.get(unit)
      // The outcome of a version that is no more has a successor.
      if (seen === undefined || seen.version !== outcome.version) continue
      if (first !== undefined && first.seen.retryAt <= seen.retryAt) continue
      const { status: before, expires } = seen
      const status = objectStatus(outcome, { before, expires, now: this.#parts.now() })
      if (!isSaid(status, before)) first = { unit, seen, status }
    }
    return first
  }

  async #write({ unit, seen, status }: Due): Promise<void> {
    const { objects, log } = this.#parts
    try {
      await objects.apply({ ...seen.object, status }, { subresource: 'status', force: true })
      seen.status = status
      this.#fault = undefined
    } catch (error) {
      // It is gone, or another one of its name is there.
      if (error instanceof ClusterFault && (error.status === 404 || error.status === 409)) {
        if (this.#seen.get(unit) === seen) this.#seen.delete(unit)
        return
      }
      const reason = reasonOf(error)
      if (this.#fault !== reason) log.warn('the status of policies cannot be written', { unit, reason })
      this.#fault = reason
      seen.retryAt = this.#parts.now() + pauses.failed
    }
  }
}

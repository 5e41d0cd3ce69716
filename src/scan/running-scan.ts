import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import type { ObjectPages } from '../cluster/object-pages.ts'
import type { PolicyFeed } from '../enforcement/policy-feed.ts'
import type { Log } from '../log.ts'
import { reasonOf } from '../reason-of.ts'
import type { RunningContent } from './fact-looks.ts'
import { gatherFindings } from './gather-findings.ts'
import type { RunningFindings } from './running-findings.ts'
import { ownerOf, readRunningGroups, type RunningGroups } from './running-groups.ts'
import { RunningJudge } from './running-judge.ts'
import { RunningMap } from './running-map.ts'
import { scanMetrics } from './scan-metrics.ts'
import { TopOwners } from './top-owners.ts'

export interface RunningScanParts {
  /** Needs `list` on pods, `get` on replicasets and jobs, and `patch` on ConfigMap `trow-running` of `namespace`. */
  readonly objects: Pick<ClusterObjects, 'get' | 'patch' | 'apply'> & ObjectPages
  /** Of trow. */
  readonly namespace: string
  readonly feed: PolicyFeed
  readonly content: RunningContent
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: Log
  /** Milliseconds between two readings of the pods; 60,000 by default. */
  readonly interval?: number
}

const usualInterval = 60_000
/** A reading takes a twentieth of the time at most, however many pods there are. */
const shareOfTime = 20
/** Milliseconds after a failure. */
const retryPause = 5000
/** Milliseconds of one wait for policies, which cannot be ended: it would keep a process that stops. */
const longestWait = 1000

interface Read {
  readonly running: RunningGroups
  readonly at: string
  /** Milliseconds that the reading took. */
  readonly took: number
  /** A time of `performance.now()`, from which the pods are read again. */
  readonly staleAt: number
}

/**
 * Judges what runs in the cluster: by new policies as soon as they are in force, and by the pods as they are then, every minute.
 * For one process of a cluster, the one that holds the Lease.
 */
export class RunningScan {
  readonly #parts: RunningScanParts
  readonly #judge: RunningJudge
  readonly #owners: TopOwners
  readonly #map: RunningMap
  #end = new AbortController()
  #running: Promise<void> | undefined
  #read: Read | undefined
  #findings: RunningFindings | undefined
  #failures = 0
  #fault: string | undefined

  constructor(parts: RunningScanParts) {
    const { content, now, objects, namespace } = parts
    this.#parts = parts
    this.#judge = new RunningJudge({ point: 'scan', content, now })
    this.#owners = new TopOwners(objects, now)
    this.#map = new RunningMap(objects, namespace)
  }

  /** May be called again after `stop`, as when the Lease comes back. */
  start(): void {
    if (this.#running !== undefined) return
    this.#end = new AbortController()
    this.#running = this.#run(this.#end.signal)
  }

  /** After this nothing is read or written any more. */
  async stop(): Promise<void> {
    this.#end.abort()
    await this.#running
    this.#running = undefined
    this.#read = undefined
  }

  /** Of the last scan. Undefined: none has ended. */
  get findings(): RunningFindings | undefined {
    return this.#findings
  }

  /** Prometheus text. */
  get metrics(): string {
    return scanMetrics({ findings: this.#findings, failures: this.#failures })
  }

  async #run(signal: AbortSignal): Promise<void> {
    let judged = -1
    while (!signal.aborted) {
      let pause: number
      try {
        const done = await this.#scan(signal)
        judged = done.generation
        pause = Math.max(0, done.staleAt - performance.now())
        this.#tellMended()
      } catch (error) {
        if (signal.aborted) return
        pause = retryPause
        judged = this.#parts.feed.current?.generation ?? -1
        this.#tellFailed(error)
      }
      await this.#wait(judged, pause, signal)
    }
  }

  async #scan(signal: AbortSignal): Promise<{ readonly generation: number; readonly staleAt: number }> {
    const { feed } = this.#parts
    const { current } = feed
    if (current === undefined) return { generation: -1, staleAt: performance.now() + usualInterval }
    const read = await this.#pods(signal)
    const begun = performance.now()
    const { running } = read
    const verdicts = await this.#judge.judge(running.images, current.set, signal)
    const refused = running.groups.filter(({ images }) =>
      images.some(({ image }) => {
        const { refusals = [], warnings = [], wouldDeny = [] } = verdicts.get(image) ?? {}
        return refusals.length + warnings.length + wouldDeny.length > 0
      }),
    )
    await this.#owners.look(refused.map((group) => ({ namespace: group.namespace, owner: ownerOf(group) })))
    const findings = await gatherFindings({
      running,
      verdicts,
      owners: this.#owners,
      generation: current.generation,
      at: read.at,
      seconds: Math.round(read.took + performance.now() - begun) / 1000,
    })
    signal.throwIfAborted()
    this.#findings = findings
    await this.#map.write(findings, performance.now())
    return { generation: current.generation, staleAt: read.staleAt }
  }

  async #pods(signal: AbortSignal): Promise<Read> {
    if (this.#read !== undefined && performance.now() < this.#read.staleAt) return this.#read
    const { objects, now, interval = usualInterval } = this.#parts
    const begun = performance.now()
    const running = await readRunningGroups(objects, signal)
    const took = performance.now() - begun
    const staleAt = performance.now() + Math.max(interval, shareOfTime * took)
    this.#read = { running, at: new Date(now()).toISOString(), took, staleAt }
    return this.#read
  }

  /** Until there are newer policies, for `pause` milliseconds, or until the signal fires. */
  async #wait(generation: number, pause: number, signal: AbortSignal): Promise<void> {
    const { feed } = this.#parts
    const end = performance.now() + pause
    const aborted = Promise.withResolvers<void>()
    const abort = (): void => aborted.resolve()
    signal.addEventListener('abort', abort, { once: true })
    for (let left = pause; left > 0 && !signal.aborted; left = end - performance.now()) {
      await Promise.race([feed.newerThan(generation, Math.min(left, longestWait)), aborted.promise])
      if ((feed.current?.generation ?? -1) > generation) break
    }
    signal.removeEventListener('abort', abort)
  }

  #tellFailed(error: unknown): void {
    this.#failures++
    const reason = reasonOf(error)
    if (this.#fault !== reason) this.#parts.log.error('running pods could not be scanned', { reason })
    this.#fault = reason
  }

  #tellMended(): void {
    if (this.#fault !== undefined) this.#parts.log.info('running pods are scanned again')
    this.#fault = undefined
  }
}

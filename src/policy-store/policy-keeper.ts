import type { Clocks } from '../clocks.ts'
import type { Instant } from '../instant.ts'
import type { Log } from '../log.ts'
import type { JudgeSettings } from '../policy/policy-set.ts'
import type { ExceptionSettings } from '../policy/trow-exception.ts'
import { reasonOf } from '../reason-of.ts'
import { ExceptionEnds } from './exception-ends.ts'
import type { KeptPolicies, KeptSet } from './kept-policies.ts'
import { readLastGood } from './last-good.ts'
import { hashOf } from './object-hash.ts'
import { changesBetween, rejections, type PolicyChange } from './policy-change.ts'
import { snapshotOf, type PolicySnapshot } from './policy-snapshot.ts'
import type { PolicySource, SourceUnit, UnitOutcome } from './policy-source.ts'
import { clockNote, silenceLimit, unitStatuses, type PolicyStatus } from './policy-status.ts'
import { objectKey, UnitBook, type GoodUnit, type JudgedUnit, type PolicyObject } from './unit-book.ts'

export interface PolicyKeeperParts {
  readonly source: PolicySource
  readonly kept: KeptPolicies
  readonly judge: JudgeSettings
  readonly exceptions: Pick<ExceptionSettings, 'longestException' | 'requireTicket'>
  readonly clocks: Clocks
  /** Brings a snapshot to every door; in force when it resolves. Where it rejects, it is tried again. */
  readonly publish: (snapshot: PolicySnapshot) => Promise<void>
  /** Takes down for good what has become of policies and exceptions. */
  readonly record: (changes: readonly PolicyChange[], generation: number) => Promise<void>
  /** What has become of each unit, whenever that changes. */
  readonly report?: (outcomes: readonly UnitOutcome[]) => void
  readonly log: Log
}

interface InForce {
  readonly generation: number
  readonly identity: string
  readonly since: Instant
  readonly fromDisk: boolean
}

/** Milliseconds: how soon an exception that expires is taken out. */
const tick = 250
const retryDelay = 1000

/**
 * Brings the policies of a source into force, and keeps what was last good: in memory, and on disk for a start at which the
 * source cannot be read or is broken. Without that nothing is in force until all that the source has is good.
 */
export class PolicyKeeper {
  readonly #parts: PolicyKeeperParts
  readonly #ends: ExceptionEnds
  readonly #book: UnitBook
  readonly #told = new Map<string, string>()
  readonly #waiting = new Set<() => void>()
  #hasGood: boolean
  #units: readonly SourceUnit[] | undefined
  #judged: readonly JudgedUnit[] = []
  #isDue = false
  #running: Promise<void> | undefined
  #inForce: InForce | undefined
  #recorded: readonly GoodUnit[]
  #generation: number
  #identity: string | undefined
  #away: string | undefined
  #heardAt: { readonly wall: Instant; readonly monotonic: number } | undefined
  #diskNote: string | undefined
  #timer: NodeJS.Timeout | undefined
  #keptVersions = ''
  #isClosed = false

  /** Reads what is kept. Throws where which exceptions have ended cannot be read. */
  constructor(parts: PolicyKeeperParts) {
    this.#parts = parts
    this.#ends = new ExceptionEnds(parts.kept, parts.clocks)
    const kept = readLastGood(parts, this.#exceptionSettings())
    this.#book = new UnitBook(() => this.#exceptionSettings(), kept?.units)
    this.#hasGood = kept !== undefined
    this.#recorded = kept?.units ?? []
    this.#generation = kept?.generation ?? 0
    if (kept !== undefined) this.#identity = this.#identityOf(kept.units)
  }

  start(): void {
    this.#parts.source.watch({
      state: (units) => {
        this.#heard()
        this.#units = units
        this.#act()
      },
      alive: () => this.#heard(),
      away: (reason) => this.#leave(reason),
    })
    this.#timer = setInterval(() => this.#tick(), tick)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    await this.#parts.source.close()
    await this.#running
    await this.#keepEnds()
  }

  get status(): PolicyStatus {
    const { source, clocks } = this.#parts
    const heard = this.#heardAt
    const isSilent = heard === undefined || clocks.monotonic() - heard.monotonic > silenceLimit
    const isWhole = this.#judged.every(({ problems }) => problems.length === 0)
    return {
      source: source.name,
      generation: this.#inForce?.generation,
      hash: this.#inForce && hashOf(this.#inForce.identity),
      inForceSince: this.#inForce?.since,
      lastSync: heard?.wall,
      away: this.#away,
      fromDisk: this.#inForce?.fromDisk ?? false,
      ok: this.#inForce !== undefined && !isSilent && this.#away === undefined && isWhole,
      units: unitStatuses(this.#judged, this.#book.good, (object) => this.#ends.isLive(object)),
      notes: [
        isSilent ? `${source.name} was not heard for ${silenceLimit / 1000} s` : [],
        this.#diskNote ?? [],
        clockNote(this.#ends.clock.ahead),
      ].flat(),
    }
  }

  /** Resolves to whether `isReached` holds of what is in force, within `limit` milliseconds. */
  async reaches(isReached: (units: readonly GoodUnit[]) => boolean, limit: number): Promise<boolean> {
    const end = this.#parts.clocks.monotonic() + limit
    for (;;) {
      if (
        this.#inForce !== undefined &&
        !this.#isDue &&
        this.#running === undefined &&
        isReached(this.#book.good)
      )
        return true
      const left = end - this.#parts.clocks.monotonic()
      if (left <= 0 || this.#isClosed) return false
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer)
          this.#waiting.delete(done)
          resolve()
        }
        const timer = setTimeout(done, left)
        this.#waiting.add(done)
      })
    }
  }

  #heard(): void {
    const { clocks, log, source } = this.#parts
    if (this.#away !== undefined) log.info('policies can be read again', { source: source.name })
    this.#away = undefined
    this.#heardAt = { wall: clocks.wall(), monotonic: clocks.monotonic() }
  }

  #leave(reason: string): void {
    const { log, source } = this.#parts
    if (this.#away !== reason) log.error('policies cannot be read', { source: source.name, reason })
    this.#away = reason
    if (this.#inForce === undefined && this.#hasGood) this.#act()
  }

  #tick(): void {
    if (this.#inForce !== undefined && this.#ends.see(this.#book.good)) this.#act()
    void this.#keepEnds()
  }

  #act(): void {
    this.#isDue = true
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      for (const done of this.#waiting) done()
    })
  }

  async #run(): Promise<void> {
    while (this.#isDue && !this.#isClosed) {
      this.#isDue = false
      try {
        await this.#bring()
      } catch (error) {
        this.#parts.log.error('policies could not be brought into force; it is tried again', {
          reason: reasonOf(error),
        })
        this.#isDue = true
        await new Promise((resolve) => setTimeout(resolve, retryDelay))
      }
    }
  }

  async #bring(): Promise<void> {
    const { publish, judge, clocks, log } = this.#parts
    const units = this.#units
    const fromDisk = units === undefined
    if (units !== undefined) this.#judged = this.#book.take(units)
    const isBroken = this.#judged.some(({ problems }) => problems.length > 0)
    if (isBroken && !this.#hasGood) {
      this.#reportOutcomes()
      return this.#recordAll([])
    }
    this.#hasGood = true
    const good = this.#book.good
    this.#ends.see(good)
    // Before anybody judges by it: what has ended must not come back after a crash.
    await this.#keepEnds()
    const identity = this.#identityOf(good)
    if (identity !== this.#identity) {
      this.#identity = identity
      this.#generation++
    }
    const generation = this.#generation
    const changes = changesBetween(this.#recorded, good)
    if (this.#inForce?.identity !== identity || this.#inForce.generation !== generation) {
      const live = this.#live(good)
      await publish(snapshotOf(live, { generation, settings: judge, now: this.#ends.clock.now() }))
      log.info('policies are in force', { generation, fromDisk, objects: live.length })
    }
    const since = this.#inForce?.identity === identity ? this.#inForce.since : clocks.wall()
    this.#inForce = { generation, identity, since, fromDisk }
    this.#reportOutcomes()
    if (!fromDisk) await this.#keepSet({ source: this.#parts.source.name, generation, units: good })
    this.#recorded = good
    await this.#recordAll(changes)
  }

  async #recordAll(changes: readonly PolicyChange[]): Promise<void> {
    const units = new Map(this.#units?.map((unit) => [unit.name, unit]))
    const rejected = rejections(
      this.#judged.map((judged) => {
        const unit = units.get(judged.name)
        return { ...judged, changedBy: unit?.changedBy, changedAt: unit?.changedAt }
      }),
      this.#told,
    )
    for (const { problem } of rejected)
      this.#parts.log.error('a policy is broken: what was last good of it stays', { problem })
    const all = [...changes, ...rejected]
    if (all.length === 0) return
    try {
      await this.#parts.record(all, this.#generation)
    } catch (error) {
      this.#parts.log.error('changes of policies could not be recorded', { reason: reasonOf(error) })
    }
  }

  #reportOutcomes(): void {
    const generation = this.#inForce?.generation
    this.#parts.report?.(
      this.#judged.map(({ name, version, problems, good }) => ({
        name,
        version,
        problems,
        generation,
        inForce: this.#inForce !== undefined && good !== undefined,
        hash: good && hashOf(good.objects.map(({ hash }) => hash)),
      })),
    )
  }

  #live(units: readonly GoodUnit[]): readonly PolicyObject[] {
    return units.flatMap(({ objects }) => objects).filter((object) => this.#ends.isLive(object))
  }

  /** What a set is to those who judge by it. */
  #identityOf(units: readonly GoodUnit[]): string {
    const lines = this.#live(units).map((object) => `${objectKey(object)} ${object.hash}`)
    return lines.sort().join('\n')
  }

  #exceptionSettings(): ExceptionSettings {
    const { judge, exceptions } = this.#parts
    return { ...exceptions, ownHosts: judge.ownHosts, now: this.#ends.clock.now() }
  }

  async #keepSet(set: KeptSet): Promise<void> {
    try {
      if (this.#keptVersions !== versionsOf(set)) await this.#parts.kept.writeSet(set)
      this.#keptVersions = versionsOf(set)
      this.#diskNote = undefined
    } catch (error) {
      this.#noteDisk(error)
    }
  }

  async #keepEnds(): Promise<void> {
    try {
      await this.#ends.keep()
    } catch (error) {
      this.#noteDisk(error)
    }
  }

  #noteDisk(error: unknown): void {
    const note = `what a restart needs of the policies cannot be written: ${reasonOf(error)}`
    if (this.#diskNote !== note) this.#parts.log.error(note)
    this.#diskNote = note
  }
}

function versionsOf({ generation, units }: KeptSet): string {
  return [generation, ...units.map(({ name, version }) => `${name} ${version}`)].join('\n')
}

import type { Clocks } from '../clocks.ts'
import type { Instant } from '../instant.ts'
import type { Log } from '../log.ts'
import type { JudgeSettings } from '../policy/policy-set.ts'
import type { ExceptionSettings } from '../policy/trow-exception.ts'
import { reasonOf } from '../reason-of.ts'
import { DueWork } from './due-work.ts'
import { ExceptionEnds } from './exception-ends.ts'
import type { KeptPolicies } from './kept-policies.ts'
import { readLastGood } from './last-good.ts'
import { hashOf } from './object-hash.ts'
import { policiesIdentity } from './policies-hash.ts'
import { changesBetween, type PolicyChange } from './policy-change.ts'
import { PolicyRecords } from './policy-records.ts'
import { snapshotOf, type PolicySnapshot } from './policy-snapshot.ts'
import type { PolicySource, SourceUnit, UnitOutcome } from './policy-source.ts'
import { clockNote, silenceLimit, unitStatuses, type PolicyStatus } from './policy-status.ts'
import { RegistryStanding, type RegistryProcesses } from './registry-standing.ts'
import { SetGeneration } from './set-generation.ts'
import { SourceContact } from './source-contact.ts'
import { StoredState } from './stored-state.ts'
import { UnconfirmedParts } from './unconfirmed-parts.ts'
import { UnitBook, type GoodUnit, type JudgedUnit } from './unit-book.ts'
import { WakeUps } from './wake-ups.ts'

export interface PolicyKeeperParts {
  readonly source: PolicySource
  readonly kept: KeptPolicies
  readonly judge: JudgeSettings
  readonly exceptions: Pick<ExceptionSettings, 'longestException' | 'requireTicket'>
  readonly clocks: Clocks
  /**
   * The generation that was published before in this process; 0 or undefined: none. Snapshots of this keeper
   * are newer.
   */
  readonly generation?: number
  /**
   * Sends a snapshot to every thread that judges. The snapshot is in force when it resolves, but for what
   * `unconfirmed` says; if it rejects, it is tried again.
   */
  readonly publish: (snapshot: PolicySnapshot) => Promise<void>
  /** The parts that have not confirmed yet what was published: `worker 2`. Undefined: `publish` waits for all. */
  readonly unconfirmed?: () => Promise<readonly string[]>
  /** Undefined: no other process serves the registry. */
  readonly registry?: RegistryProcesses | undefined
  /** Records changes of policies and exceptions durably. */
  readonly record: (changes: readonly PolicyChange[], generation: number) => Promise<void>
  /** Receives the outcome of each unit whenever the outcomes change. */
  readonly report?: (outcomes: readonly UnitOutcome[]) => void
  readonly log: Log
}

interface InForce {
  readonly generation: number
  readonly registryGeneration: number
  readonly identity: string
  readonly since: Instant
  readonly fromDisk: boolean
}

/** Milliseconds between two checks for expired exceptions. */
const tick = 250

/**
 * Puts the policies of a source into force and keeps the last good ones in memory, and on disk for a start at
 * which the source is unreadable or broken. Without them, nothing is in force until all of it is valid.
 */
export class PolicyKeeper {
  readonly #parts: PolicyKeeperParts
  readonly #ends: ExceptionEnds
  readonly #stored: StoredState
  readonly #book: UnitBook
  readonly #contact: SourceContact
  readonly #wakeUps = new WakeUps()
  readonly #unconfirmed: UnconfirmedParts
  readonly #records: PolicyRecords
  readonly #standing: RegistryStanding
  #hasGood: boolean
  #units: readonly SourceUnit[] | undefined
  #judged: readonly JudgedUnit[] = []
  /** Whether the last report of the source is published. */
  #isBrought = false
  readonly #work: DueWork
  #inForce: InForce | undefined
  #recorded: readonly GoodUnit[]
  readonly #generation: SetGeneration
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  /** Reads the stored state. Throws when the record of expired exceptions cannot be read. */
  constructor(parts: PolicyKeeperParts) {
    this.#parts = parts
    this.#contact = new SourceContact(parts)
    this.#records = new PolicyRecords(parts)
    const told = (): void => {
      this.#reportOutcomes()
      this.#wakeUps.wake()
    }
    this.#unconfirmed = new UnconfirmedParts(parts, told)
    this.#work = new DueWork({
      run: () => this.#bring(),
      onDone: () => this.#wakeUps.wake(),
      onFault: (error) =>
        parts.log.error('policies could not be brought into force; it is tried again', {
          reason: reasonOf(error),
        }),
    })
    this.#standing = new RegistryStanding({
      registry: parts.registry,
      onChange: () => this.#act(),
      onNote: told,
    })
    this.#ends = new ExceptionEnds(parts.kept, parts.clocks)
    this.#stored = new StoredState({ kept: parts.kept, ends: this.#ends, log: parts.log })
    const kept = readLastGood(parts, this.#exceptionSettings())
    this.#book = new UnitBook(() => this.#exceptionSettings(), kept?.units)
    this.#hasGood = kept !== undefined
    this.#recorded = kept?.units ?? []
    this.#generation = new SetGeneration(
      kept && { generation: kept.generation, identity: this.#identityOf(kept.units) },
      parts.generation,
    )
  }

  start(): void {
    this.#parts.source.watch({
      state: (units) => {
        this.#contact.hear()
        this.#units = units
        this.#act()
      },
      alive: () => this.#contact.hear(),
      away: (reason) => this.#leave(reason),
    })
    this.#timer = setInterval(() => this.#tick(), tick)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#timer)
    await Promise.all([this.#work.close(), this.#parts.source.close()])
    await this.#records.close()
    await this.#stored.keepEnds()
  }

  get status(): PolicyStatus {
    const { source } = this.#parts
    const { away, isSilent, lastSync } = this.#contact
    const isWhole = this.#judged.every(({ problems }) => problems.length === 0)
    return {
      source: source.name,
      generation: this.#inForce?.registryGeneration,
      hash: this.#inForce && hashOf(this.#inForce.identity),
      inForceSince: this.#inForce?.since,
      lastSync,
      away,
      fromDisk: this.#inForce?.fromDisk ?? false,
      ok:
        this.#inForce !== undefined &&
        this.#isBrought &&
        !isSilent &&
        away === undefined &&
        isWhole &&
        this.#standing.note === undefined &&
        this.#unconfirmed.isNone,
      units: unitStatuses(this.#judged, this.#book.good, (object) => this.#ends.isLive(object)),
      notes: [
        isSilent ? `${source.name} was not heard for ${silenceLimit / 1000} s` : [],
        this.#standing.note ?? [],
        this.#unconfirmed.note ?? [],
        this.#stored.note ?? [],
        clockNote(this.#ends.clock.ahead),
      ].flat(),
    }
  }

  /** Resolves to true once `isReached` holds for the units in force, to false after `limit` milliseconds. */
  async reaches(isReached: (units: readonly GoodUnit[]) => boolean, limit: number): Promise<boolean> {
    const end = this.#parts.clocks.monotonic() + limit
    for (;;) {
      if (
        this.#inForce !== undefined &&
        this.#work.isDone &&
        this.#unconfirmed.isNone &&
        this.#standing.note === undefined &&
        isReached(this.#book.good)
      )
        return true
      const left = end - this.#parts.clocks.monotonic()
      if (left <= 0 || this.#isClosed) return false
      await this.#wakeUps.wait(left)
    }
  }

  #leave(reason: string): void {
    this.#contact.leave(reason)
    if (this.#inForce === undefined && this.#hasGood) this.#act()
  }

  #tick(): void {
    if (this.#inForce !== undefined && this.#ends.see(this.#book.good)) this.#act()
    void this.#unconfirmed.askAgain()
    void this.#stored.keepEnds()
  }

  #act(): void {
    this.#isBrought = false
    this.#work.due()
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
    // Stored before any thread judges by this set: a crash must not revive an expired exception.
    await this.#stored.keepEnds()
    const identity = this.#identityOf(good)
    const changes = changesBetween(this.#recorded, good)
    const { generation: registryGeneration, isRecorded } = await this.#standing.bring({
      identity: hashOf(identity),
      generation: this.#generation.of(identity),
      isWhole: !isBroken && !fromDisk,
      changes,
      now: clocks.wall(),
    })
    const isRenamed =
      this.#inForce?.identity === identity &&
      this.#inForce.generation === this.#generation.now &&
      this.#inForce.registryGeneration !== registryGeneration
    // The workers take only newer ones.
    const generation = isRenamed ? this.#generation.renew() : this.#generation.now
    if (this.#inForce?.identity !== identity || this.#inForce.generation !== generation) {
      const live = this.#ends.live(good)
      await publish(
        snapshotOf(live, {
          generation,
          registryGeneration,
          hash: hashOf(identity),
          settings: judge,
          now: this.#ends.clock.now(),
        }),
      )
      await this.#unconfirmed.ask(registryGeneration)
      if (this.#unconfirmed.isNone)
        log.info('policies are in force', { generation: registryGeneration, fromDisk, objects: live.length })
    }
    const since = this.#inForce?.identity === identity ? this.#inForce.since : clocks.wall()
    this.#inForce = { generation, registryGeneration, identity, since, fromDisk }
    this.#isBrought = !this.#work.isDue
    this.#reportOutcomes()
    this.#recorded = good
    // Recorded first: after a crash in between, the changes are recorded again instead of never.
    await this.#recordAll(changes, isRecorded)
    if (!fromDisk) await this.#stored.keepSet({ source: this.#parts.source.name, generation, units: good })
  }

  #recordAll(changes: readonly PolicyChange[], isRecorded = false): Promise<void> {
    const generation = this.#inForce?.registryGeneration ?? this.#generation.now
    return this.#records.add(
      { changes, isRecorded, judged: this.#judged, units: this.#units ?? [] },
      generation,
    )
  }

  #reportOutcomes(): void {
    const generation = this.#inForce?.registryGeneration
    this.#parts.report?.(
      this.#judged.map(({ name, version, problems, good }) => ({
        name,
        version,
        problems,
        generation,
        inForce: this.#inForce !== undefined && good !== undefined,
        note: this.#standing.note ?? this.#unconfirmed.note,
        hash: good && hashOf(good.objects.map(({ hash }) => hash)),
      })),
    )
  }

  /** Sets with equal identities give equal decisions. */
  #identityOf(units: readonly GoodUnit[]): string {
    return policiesIdentity(
      this.#ends.live(units).map(({ kind, value, hash }) => ({ kind, name: value.name, hash })),
    )
  }

  #exceptionSettings(): ExceptionSettings {
    const { judge, exceptions } = this.#parts
    return { ...exceptions, ownHosts: judge.ownHosts, now: this.#ends.clock.now() }
  }
}

import { OciError } from '../../oci/oci-error.ts'
import { rowsAtOnce, TouchedKeys, type Change } from '../rules/change.ts'
import type { EncodedAuditRecord, AuditedChange } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import { defaultOutboxBound, type OutboxBound } from '../rules/outbox-bound.ts'
import type { Unrecorded } from '../rules/change-outbox.ts'
import type { Generations } from '../cache/generations.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import type { UploadClaims } from './upload-claims.ts'
import type { WriterTransaction } from './change-policy-generation.ts'
import { writerChanges, type WriterChangeName } from './writer-changes.ts'
import { WriterWork } from './writer-work.ts'

interface QueuedChange {
  readonly name: WriterChangeName
  readonly values: unknown
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

type ChangeOutcome =
  { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: unknown }

const batchLimit = 256
/** Most manifests have no more references than a statement each is faster for. */
const rows = { few: 8, most: rowsAtOnce }
const done: ChangeOutcome = { ok: true, result: undefined }

/**
 * The only writer of a SQLite file. Changes run strictly one after another, many in one transaction (group
 * commit), and are answered together after the commit. Changes that arrive meanwhile form the next batch.
 */
export class SqliteWriter {
  readonly #database: SqliteDatabase
  readonly #generations: Generations
  readonly #claims: UploadClaims
  readonly #bound: OutboxBound
  /** Undefined: no policies are enforced. */
  #policyGeneration: number | undefined
  readonly #waiting: QueuedChange[] = []
  readonly #unrecorded = {
    changes: new UnrecordedChanges('changes'),
    denials: new UnrecordedChanges('denials'),
  }
  #running: Promise<void> | undefined
  #full = true

  constructor(parts: {
    readonly database: SqliteDatabase
    readonly generations: Generations
    readonly claims: UploadClaims
    readonly bound?: OutboxBound
  }) {
    this.#database = parts.database
    this.#generations = parts.generations
    this.#claims = parts.claims
    this.#bound = parts.bound ?? defaultOutboxBound
  }

  run(name: WriterChangeName, values: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ name, values, resolve, reject })
      this.#running ??= this.#work()
    })
  }

  /** Resolves when every requested change has been answered. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #work(): Promise<void> {
    // Messages that have already arrived join the batch.
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) {
      await this.#batch(this.#waiting.splice(0, batchLimit))
      await new Promise(setImmediate)
    }
    this.#running = undefined
  }

  async #batch(changes: readonly QueuedChange[]): Promise<void> {
    const { changes: unnoted, denials } = this.#unrecorded
    const batch = [...unnoted.waiting(), ...denials.waiting(), ...changes]
    const outcomes = await this.#commit(batch)
    // Changes that would have made the transaction too long come first in the next one.
    const ran = outcomes?.length ?? batch.length
    this.#waiting.unshift(...batch.slice(ran))
    for (const [index, one] of batch.slice(0, ran).entries()) {
      // Savepoints are not used: they copy every page that a change touches, and changes rarely fail. Run
      // alone, the changes that did not fail succeed, and on a full disk those that need no room may succeed.
      const outcome = outcomes?.[index] ?? (await this.#alone(one))
      answer(one, outcome.ok ? outcome : await this.#withoutAuditRecord(one, outcome))
    }
  }

  async #alone(one: QueuedChange): Promise<ChangeOutcome> {
    return ((await this.#commit([one])) as [ChangeOutcome])[0]
  }

  /**
   * Where changes may go on unrecorded: a change that failed for lack of room may succeed without its audit
   * record.
   */
  async #withoutAuditRecord(
    one: QueuedChange,
    failed: ChangeOutcome & { ok: false },
  ): Promise<ChangeOutcome> {
    const { error } = failed
    if (this.#bound.beyond !== 'allow' || !(error instanceof Error) || !isFull(error.cause)) return failed
    const bare = withoutAuditRecord(one)
    if (bare === undefined) return failed
    const outcome = bare.change === undefined ? done : await this.#alone(bare.change)
    if (outcome.ok && outcome.result !== false)
      this.#unrecorded[one.name === 'recordDenials' ? 'denials' : 'changes'].add(bare.auditRecords, bare.now)
    return outcome
  }

  /**
   * Commits the first changes, as many as one transaction takes. Undefined when one of several changes failed
   * or room was short: then nothing was changed.
   */
  async #commit(batch: readonly QueuedChange[]): Promise<ChangeOutcome[] | undefined> {
    const touched = new TouchedKeys()
    let slots: Iterable<number> = []
    let changing = false
    try {
      this.#setFlush(batch.some(({ name }) => writerChanges[name].durable))
      this.#database.execute('begin immediate')
      changing = true
      const outcomes = await this.#runAll(batch, touched)
      changing = false
      slots = touched.slots
      this.#generations.invalidate(slots)
      this.#database.execute('commit')
      return outcomes
    } catch (error) {
      this.#rollBack()
      if (batch.length > 1 && (changing || isFull(error))) return undefined
      return batch.map(() => ({ ok: false, error: asRefusal(error) }))
    } finally {
      this.#generations.renew(slots)
    }
  }

  async #runAll(batch: readonly QueuedChange[], touched: TouchedKeys): Promise<ChangeOutcome[]> {
    const work = new WriterWork()
    const transaction = this.#transaction(touched, work)
    const outcomes: ChangeOutcome[] = []
    for (const { name, values } of batch) {
      const change = writerChanges[name] as unknown as Change<unknown, unknown>
      outcomes.push({ ok: true, result: await change.run(transaction, values) })
      if (work.isMuch) break
      await work.turn()
    }
    return outcomes
  }

  #transaction(touched: TouchedKeys, work: WriterWork): WriterTransaction {
    const database = this.#database
    return {
      get: (statement, values) => {
        work.add(1)
        return database.get(statement, values)
      },
      all: (statement, values) => {
        work.add(1)
        return database.all(statement, values)
      },
      run: (statement, values) => {
        work.add(1)
        return database.run(statement, values)
      },
      getEach: (statement, list) => {
        work.add(list.length)
        return list.map((values) => database.get(statement, values))
      },
      runEach: (statement, list) => {
        work.add(list.length)
        return list.map((values) => database.run(statement, values))
      },
      send: (statement, values) => {
        work.add(1)
        database.run(statement, values)
      },
      rows,
      touched,
      claimed: this.#claims,
      bound: this.#bound,
      newManifestId: () => undefined,
      policyGeneration: () => this.#policyGeneration,
      setPolicyGeneration: (generation) => void (this.#policyGeneration = generation),
      holds: () => true,
      clock: (own) => own,
      turn: (rows = 0) => {
        work.add(rows)
        return work.turn()
      },
    }
  }

  /** A relaxed change is committed without a flush; the next durable commit flushes it too. */
  #setFlush(full: boolean): void {
    if (full === this.#full) return
    this.#database.execute(full ? 'pragma synchronous=FULL' : 'pragma synchronous=NORMAL')
    this.#full = full
  }

  #rollBack(): void {
    try {
      if (this.#database.inTransaction) this.#database.execute('rollback')
    } catch {
      // The next `begin` shows whether the file can be written again.
    }
  }
}

/**
 * Counts changes or denials that went on without room for their audit records, until the count itself can be
 * stored.
 */
class UnrecordedChanges {
  readonly #kind: 'changes' | 'denials'
  #gap: Unrecorded | undefined

  constructor(kind: 'changes' | 'denials') {
    this.#kind = kind
  }

  add(auditRecords: number, now: Instant): void {
    const { count = 0, since = now } = this.#gap ?? {}
    this.#gap = { count: count + auditRecords, since, until: now }
  }

  /** Returns the change that stores the count, if the count is not zero. */
  waiting(): readonly QueuedChange[] {
    const gap = this.#gap
    if (gap === undefined) return []
    const resolve = (): void => {
      if (this.#gap === gap) this.#gap = undefined
      else if (this.#gap !== undefined) this.#gap = { ...this.#gap, count: this.#gap.count - gap.count }
    }
    return [{ name: 'recordUnrecorded', values: { kind: this.#kind, ...gap }, resolve, reject: () => {} }]
  }
}

interface BareChange {
  /** Undefined: the change consisted of audit records only. */
  readonly change: QueuedChange | undefined
  readonly auditRecords: number
  readonly now: Instant
}

/** Undefined when the change has no audit record. */
function withoutAuditRecord(one: QueuedChange): BareChange | undefined {
  const { auditRecord, audited, auditRecords, now, ...rest } = one.values as {
    readonly auditRecord?: EncodedAuditRecord
    readonly audited?: AuditedChange
    readonly auditRecords?: readonly EncodedAuditRecord[]
    readonly now?: Instant
  }
  const at = audited?.now ?? now ?? 0
  if (auditRecords !== undefined) return { change: undefined, auditRecords: auditRecords.length, now: at }
  if ((auditRecord ?? audited?.auditRecord) === undefined) return undefined
  return { change: { ...one, values: { ...rest, now } }, auditRecords: 1, now: at }
}

function answer(waiting: QueuedChange, outcome: ChangeOutcome): void {
  if (outcome.ok) waiting.resolve(outcome.result)
  else waiting.reject(outcome.error)
}

const sqliteFull = 13

function isFull(error: unknown): boolean {
  const { errcode, code } = error as { errcode?: number; code?: string }
  return (errcode !== undefined && (errcode & 0xff) === sqliteFull) || code === 'ENOSPC'
}

function asRefusal(error: unknown): unknown {
  if (!isFull(error)) return error
  return new OciError('STORAGE_FULL', 'the registry has no room left', {
    detail:
      'the disk of the registry is full: delete what is not needed, or give it more room, and try again',
    cause: error,
  })
}

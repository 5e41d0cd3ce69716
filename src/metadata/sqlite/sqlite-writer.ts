import { OciError } from '../../oci/oci-error.ts'
import { TouchedKeys, type Change, type Transaction } from '../rules/change.ts'
import type { ChangeNote, Noted } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import { defaultOutboxBound, type OutboxBound } from '../rules/outbox-bound.ts'
import type { Unrecorded } from '../rules/change-outbox.ts'
import type { Generations } from '../cache/generations.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import type { UploadClaims } from './upload-claims.ts'
import { writerChanges, type WriterChangeName } from './writer-changes.ts'
import { WriterWork } from './writer-work.ts'

interface Waiting {
  readonly name: WriterChangeName
  readonly values: unknown
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

type Outcome =
  { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: unknown }

const batchLimit = 256
const done: Outcome = { ok: true, result: undefined }

/**
 * The one writer of a SQLite file. Changes run strictly one after another, many in one transaction (group
 * commit), and are answered together once it is committed; what arrives meanwhile is the next batch.
 */
export class SqliteWriter {
  readonly #database: SqliteDatabase
  readonly #generations: Generations
  readonly #claims: UploadClaims
  readonly #bound: OutboxBound
  readonly #policy: Transaction['policy'] = { generation: undefined }
  readonly #waiting: Waiting[] = []
  readonly #unrecorded = { changes: new UnrecordedNotes('changes'), denials: new UnrecordedNotes('denials') }
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

  /** Resolves when everything that was asked for has been answered. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async #work(): Promise<void> {
    // Let all messages that have already arrived join the batch.
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) {
      await this.#batch(this.#waiting.splice(0, batchLimit))
      await new Promise(setImmediate)
    }
    this.#running = undefined
  }

  async #batch(changes: readonly Waiting[]): Promise<void> {
    const { changes: unnoted, denials } = this.#unrecorded
    const batch = [...unnoted.waiting(), ...denials.waiting(), ...changes]
    const outcomes = await this.#commit(batch)
    // What would have made the transaction long comes first in the next one.
    const ran = outcomes?.length ?? batch.length
    this.#waiting.unshift(...batch.slice(ran))
    for (const [index, one] of batch.slice(0, ran).entries()) {
      // No savepoints: they copy every page that a change touches, and hardly any change fails. Alone, those that
      // did not fail succeed, and on a full disk those that need no room may.
      const outcome = outcomes?.[index] ?? (await this.#alone(one))
      answer(one, outcome.ok ? outcome : await this.#withoutNote(one, outcome))
    }
  }

  async #alone(one: Waiting): Promise<Outcome> {
    return ((await this.#commit([one])) as [Outcome])[0]
  }

  /** Where changes may go on unrecorded: what failed for want of room may succeed without its note. */
  async #withoutNote(one: Waiting, failed: Outcome & { ok: false }): Promise<Outcome> {
    if (this.#bound.beyond !== 'allow' || !isFull((failed.error as Error).cause)) return failed
    const bare = withoutNote(one)
    if (bare === undefined) return failed
    const outcome = bare.change === undefined ? done : await this.#alone(bare.change)
    if (outcome.ok && outcome.result !== false)
      this.#unrecorded[one.name === 'recordDenials' ? 'denials' : 'changes'].add(bare.notes, bare.now)
    return outcome
  }

  /**
   * Of the first changes, as many as one transaction takes. Undefined when one of several changes failed, or room was
   * short: then nothing was done.
   */
  async #commit(batch: readonly Waiting[]): Promise<Outcome[] | undefined> {
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

  async #runAll(batch: readonly Waiting[], touched: TouchedKeys): Promise<Outcome[]> {
    const work = new WriterWork()
    const transaction = this.#transaction(touched, work)
    const outcomes: Outcome[] = []
    for (const { name, values } of batch) {
      const change = writerChanges[name] as unknown as Change<unknown, unknown>
      outcomes.push({ ok: true, result: await change.run(transaction, values) })
      if (work.isMuch) break
      await work.turn()
    }
    return outcomes
  }

  #transaction(touched: TouchedKeys, work: WriterWork): Transaction {
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
      touched,
      claimed: this.#claims,
      bound: this.#bound,
      policy: this.#policy,
      turn: (rows = 0) => {
        work.add(rows)
        return work.turn()
      },
    }
  }

  /** What need not survive a power cut is committed without a flush; the next durable commit flushes it too. */
  #setFlush(full: boolean): void {
    if (full === this.#full) return
    this.#database.execute(full ? 'pragma synchronous=FULL' : 'pragma synchronous=NORMAL')
    this.#full = full
  }

  #rollBack(): void {
    try {
      if (this.#database.inTransaction) this.#database.execute('rollback')
    } catch {
      // The next begin tells whether the file can be written again.
    }
  }
}

/** What went on although there was no room for its notes: kept here until there is some for their count. */
class UnrecordedNotes {
  readonly #kind: 'changes' | 'denials'
  #gap: Unrecorded | undefined

  constructor(kind: 'changes' | 'denials') {
    this.#kind = kind
  }

  add(notes: number, now: Instant): void {
    const { count = 0, since = now } = this.#gap ?? {}
    this.#gap = { count: count + notes, since, until: now }
  }

  /** The change that writes their count, if there are any. */
  waiting(): readonly Waiting[] {
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
  /** Undefined: it was nothing but notes. */
  readonly change: Waiting | undefined
  readonly notes: number
  readonly now: Instant
}

/** Undefined when it has no note. */
function withoutNote(one: Waiting): BareChange | undefined {
  const { note, noted, notes, now, ...rest } = one.values as {
    readonly note?: ChangeNote
    readonly noted?: Noted
    readonly notes?: readonly ChangeNote[]
    readonly now?: Instant
  }
  const at = noted?.now ?? now ?? 0
  if (notes !== undefined) return { change: undefined, notes: notes.length, now: at }
  if ((note ?? noted?.note) === undefined) return undefined
  return { change: { ...one, values: { ...rest, now } }, notes: 1, now: at }
}

function answer(waiting: Waiting, outcome: Outcome): void {
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

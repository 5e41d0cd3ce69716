import { randomUUID } from 'node:crypto'
import type { Generations } from '../cache/generations.ts'
import type { Freshness } from '../rules/database.ts'
import type { Connection } from './connection.ts'
import { ConnectionLost, Standby } from './connection-errors.ts'
import { asRefusal, isRefusal, patience, pause, type Link } from './link.ts'
import { ownStatement } from './own-statement.ts'

/** Milliseconds between two rounds that no read asks for. */
const heartbeat = 15_000

/** Reads that wait for the same round. */
interface Waiting extends PromiseWithResolvers<void> {
  readonly late: NodeJS.Timeout
}

interface Round {
  readonly snapshot: string
  readonly floor: string
  readonly epoch: string | null
  readonly recovering: number
  readonly slots: readonly number[]
}

/**
 * What was committed after the snapshot $1: transactions that had not begun then, and those that were under
 * way. One statement has one snapshot, for the functions and for the rows, so nothing lies in between.
 */
const question = ownStatement<Round>(
  'barrier',
  `
  select pg_current_snapshot()::text as snapshot, pg_is_in_recovery() as recovering,
    (select floor from change_log_floor)::text as floor, (select id from epoch)::text as epoch,
    array(
      select unnest(slots) from change_log where xid >= pg_snapshot_xmax($1::pg_snapshot)
      union all
      select unnest(slots) from change_log where xid < pg_snapshot_xmax($1::pg_snapshot)
        and xid = any(array(select pg_snapshot_xip($1::pg_snapshot)))
    ) as slots`,
  ['asked'],
)

/** How far reads may be behind, in milliseconds. */
export interface ReadLimits {
  /** A read uses the last round if that began so recently; 0: reads are linearizable. */
  readonly staleness: number
  /** For so long after the last round, while the server is away, reads are answered from the caches alone. */
  readonly stale: number
}

/** Reads show every change that was answered before, and fail while the server is away. */
export const freshReads: ReadLimits = { staleness: 0, stale: 0 }

/**
 * Keeps the caches of this process coherent with a database to which others write, too. A read waits for a
 * round that began after the read did; the round learns from the change log which slots have changed since
 * the last one. Reads are therefore linearizable.
 */
export class Barrier {
  readonly #link: Link
  readonly #generations: Generations
  readonly #limits: ReadLimits
  readonly #onRecovery: () => void
  #snapshot: string | undefined
  #epoch: string | undefined
  #waiting: Waiting | undefined
  /** A round is under way, or begins in this turn of the event loop. */
  #isBusy = false
  /** When the last round that was answered began. */
  #freshAt = -Infinity
  /** Why the server has given no answer in time, until it gives one. */
  #away: unknown
  #heartbeat: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(parts: {
    readonly link: Link
    readonly generations: Generations
    readonly limits: ReadLimits
    /** Called when the server has recovered from something, or another one has taken its place. */
    readonly onRecovery?: () => void
  }) {
    this.#link = parts.link
    this.#generations = parts.generations
    this.#limits = parts.limits
    this.#onRecovery = parts.onRecovery ?? ((): void => {})
    if (parts.limits.stale === 0) return
    // A thread that has heard nothing yet could answer nothing while the server is away, not even from the caches that
    // the threads of a process share. Later rounds keep what is known young where nobody reads.
    const beat = (): void => {
      if (this.#away === undefined) this.#next().catch(() => undefined)
    }
    beat()
    this.#heartbeat = setInterval(beat, heartbeat)
    this.#heartbeat.unref()
  }

  /**
   * Resolves when every change is known that was answered before the call, or `staleness` before it; undefined:
   * they are. Stale: the server is away, and only caches may answer.
   */
  fresh(): undefined | Promise<Freshness> {
    if (performance.now() - this.#freshAt < this.#limits.staleness) return undefined
    if (this.#away !== undefined && this.#mayBeStale())
      return Promise.resolve({ stale: true, refusal: this.#away })
    return this.#next().then(
      () => 'fresh',
      (error: unknown) => {
        if (isRefusal(error) && this.#mayBeStale()) return { stale: true, refusal: error }
        throw error
      },
    )
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#heartbeat)
  }

  /** Resolves with the next round that begins. */
  #next(): Promise<void> {
    this.#waiting ??= this.#newWaiting()
    this.#beginSoon()
    return this.#waiting.promise
  }

  #newWaiting(): Waiting {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // A server that has fallen silent is away, too.
    const late = setTimeout(() => {
      if (this.#waiting === waiting) this.#waiting = undefined
      this.#lost(waiting, asRefusal(new ConnectionLost('it gave no answer')))
    }, patience)
    const waiting = { promise, resolve, reject, late }
    return waiting
  }

  /**
   * One round at a time, and not before all that has arrived in this turn of the event loop has joined it: a round costs a
   * processor more than the reads that it is for.
   */
  #beginSoon(): void {
    if (this.#isBusy) return
    this.#isBusy = true
    setImmediate(() => {
      const waiting = this.#waiting
      this.#waiting = undefined
      if (waiting === undefined) this.#isBusy = false
      else this.#begin(waiting)
    })
  }

  #mayBeStale(): boolean {
    return performance.now() - this.#freshAt < this.#limits.stale
  }

  #begin(waiting: Waiting): void {
    this.#link
      .repeat((connection) => this.#round(connection))
      .then(
        () => {
          this.#away = undefined
          waiting.resolve()
        },
        (error: unknown) => this.#lost(waiting, error),
      )
      .finally(() => {
        clearTimeout(waiting.late)
        this.#isBusy = false
        if (this.#waiting !== undefined) this.#beginSoon()
      })
  }

  #lost(waiting: Waiting, error: unknown): void {
    waiting.reject(error)
    if (!isRefusal(error) || this.#limits.stale === 0) return
    const isNews = this.#away === undefined
    this.#away = error
    if (isNews) void this.#lookForServer()
  }

  /** Reads that are answered from caches begin no rounds. */
  async #lookForServer(): Promise<void> {
    while (this.#away !== undefined && !this.#isClosed) {
      await pause()
      await this.#next().catch(() => undefined)
    }
  }

  async #round(connection: Connection): Promise<void> {
    const asked = this.#snapshot
    const began = performance.now()
    const { rows } = await connection.ask(question, { asked })
    const [round] = rows
    if (round === undefined) throw new Error('the barrier gave no row')
    if (round.recovering === 1) throw new Standby()
    const epoch = round.epoch ?? (await newEpoch(connection))
    // After a recovery numbers of transactions may be used again; and rows below the floor are deleted.
    if (asked === undefined || epoch !== this.#epoch) this.#generations.enter(numberOf(epoch))
    else if (xmin(asked) < BigInt(round.floor)) this.#generations.advanceAll()
    else this.#generations.advance(round.slots)
    const isRecovered = this.#epoch !== undefined && this.#epoch !== epoch
    this.#epoch = epoch
    if (isRecovered) this.#onRecovery()
    // Answers of one connection come in order.
    this.#snapshot = round.snapshot
    this.#freshAt = began
  }
}

async function newEpoch(connection: Connection): Promise<string> {
  await connection.run('insert into epoch (id) values ($1) on conflict do nothing', [randomUUID()])
  const { rows } = await connection.run<{ id: string }>('select id::text as id from epoch')
  return rows[0]?.id ?? ''
}

/** Of the beginning of a UUID. */
function numberOf(epoch: string): number {
  return Number.parseInt(epoch.slice(0, 8), 16) | 0
}

/** `xmin:xmax:list`. */
function xmin(snapshot: string): bigint {
  return BigInt(snapshot.slice(0, snapshot.indexOf(':')))
}

import type { Instant } from '../../instant.ts'
import { TouchedKeys, type Changed, type Transaction } from '../rules/change.ts'
import type { Statement, Values } from '../rules/bind.ts'
import type { LockKey } from '../rules/locks.ts'
import type { OutboxBound } from '../rules/outbox-bound.ts'
import type { LockSet } from './advisory-locks.ts'
import type { Answer, Connection } from './connection.ts'
import { engineClock } from './engine-clock.ts'
import { EqualQuestions } from './equal-questions.ts'
import { ownStatement } from './own-statement.ts'
import { newestGeneration } from './policy-sets.ts'

const nextManifestId = ownStatement<{ readonly id: number }>(
  'manifests.nextId',
  `select nextval('manifest_id_seq') as id`,
  [],
)

/** About 10 ms. */
const rowsOfTurn = 10_000

/** One transaction; its changes may send statements at the same time. */
export class PostgresTransaction implements Transaction {
  readonly touched = new TouchedKeys()
  /** A claim is in the row of its upload: the statements look at it. */
  readonly claimed = { has: () => false }
  readonly bound: OutboxBound
  /** A statement costs the server and the client more than the rows of a list. */
  readonly rows = { few: 1, most: 10_000 }
  readonly #connection: Connection
  readonly #locks: LockSet
  readonly #questions = new EqualQuestions()
  #sinceTurn = 0
  #sent = 0
  #failedAt = Infinity
  /**
   * The error that made the server give up the transaction: all later ones only follow from it, and may reach this side
   * first.
   */
  failure: unknown

  constructor(connection: Connection, locks: LockSet, bound: OutboxBound) {
    this.#connection = connection
    this.#locks = locks
    this.bound = bound
  }

  async newManifestId(): Promise<number | undefined> {
    return (await this.get(nextManifestId, {}))?.id
  }

  async policyGeneration(): Promise<number | undefined> {
    return (await this.get(newestGeneration, {}))?.generation
  }

  async get<Row>(statement: Statement<Row>, values: Values): Promise<Row | undefined> {
    return (await this.all(statement, values))[0]
  }

  async all<Row>(statement: Statement<Row>, values: Values): Promise<Row[]> {
    const send = (): Promise<Answer<Row>> => this.watch(this.#connection.ask(statement, values))
    return (await this.#questions.ask(statement, values, send)).rows
  }

  async run(statement: Statement<unknown>, values: Values): Promise<Changed> {
    this.#questions.written(statement)
    const { changes, rows } = await this.watch(this.#connection.ask(statement, values))
    return { changes, id: (rows[0] as { readonly id?: number } | undefined)?.id ?? 0 }
  }

  async getEach<Row>(statement: Statement<Row>, list: readonly Values[]): Promise<(Row | undefined)[]> {
    return Promise.all(list.map((values) => this.get(statement, values)))
  }

  async runEach(statement: Statement<unknown>, list: readonly Values[]): Promise<Changed[]> {
    return Promise.all(list.map((values) => this.run(statement, values)))
  }

  /** The COMMIT of a transaction in which a statement failed rolls back. */
  send(statement: Statement<unknown>, values: Values): void {
    this.#questions.written(statement)
    this.watch(this.#connection.ask(statement, values)).catch(() => {})
  }

  holds(key: LockKey): boolean {
    return this.#locks.holds(key)
  }

  async clock(_own: Instant): Promise<Instant> {
    return (await this.get(engineClock, {}))?.now ?? 0
  }

  /** Waiting for the server gives the event loop its turns; what is only sent gives none. */
  turn(rows = 0): void | Promise<void> {
    this.#sinceTurn += rows
    if (this.#sinceTurn < rowsOfTurn) return
    this.#sinceTurn = 0
    return new Promise((resolve) => void setImmediate(resolve))
  }

  /** To be called as soon as a statement was sent. Keeps the error of the one that was sent first. */
  async watch<Result>(answer: Promise<Result>): Promise<Result> {
    const place = this.#sent++
    try {
      return await answer
    } catch (error) {
      if (place < this.#failedAt) {
        this.#failedAt = place
        this.failure = error
      }
      throw error
    }
  }
}

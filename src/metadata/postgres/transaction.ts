import type { Instant } from '../../instant.ts'
import { TouchedKeys, type Changed, type Transaction } from '../rules/change.ts'
import type { Statement, Values } from '../rules/bind.ts'
import type { LockKey } from '../rules/locks.ts'
import type { OutboxBound } from '../rules/outbox-bound.ts'
import type { LockSet } from './advisory-locks.ts'
import type { Connection } from './connection.ts'
import { engineClock } from './engine-clock.ts'
import { newestGeneration } from './policy-sets.ts'

/** One transaction; its changes may send statements at the same time. */
export class PostgresTransaction implements Transaction {
  readonly touched = new TouchedKeys()
  /** A claim is in the row of its upload: the statements look at it. */
  readonly claimed = { has: () => false }
  readonly bound: OutboxBound
  readonly #connection: Connection
  readonly #locks: LockSet
  /** The error that made the server give up the transaction: all later ones only follow from it. */
  failure: unknown

  constructor(connection: Connection, locks: LockSet, bound: OutboxBound) {
    this.#connection = connection
    this.#locks = locks
    this.bound = bound
  }

  async policyGeneration(): Promise<number | undefined> {
    return (await this.get(newestGeneration, {}))?.generation
  }

  async get<Row>(statement: Statement<Row>, values: Values): Promise<Row | undefined> {
    return (await this.all(statement, values))[0]
  }

  async all<Row>(statement: Statement<Row>, values: Values): Promise<Row[]> {
    return (await this.watch(this.#connection.ask(statement, values))).rows
  }

  async run(statement: Statement<unknown>, values: Values): Promise<Changed> {
    const { changes, rows } = await this.watch(this.#connection.ask(statement, values))
    return { changes, id: (rows[0] as { readonly id?: number } | undefined)?.id ?? 0 }
  }

  holds(key: LockKey): boolean {
    return this.#locks.holds(key)
  }

  async clock(_own: Instant): Promise<Instant> {
    return (await this.get(engineClock, {}))?.now ?? 0
  }

  /** Waiting for the server gives the event loop its turns. */
  turn(): void {}

  /** Keeps the first error. */
  async watch<Result>(answer: Promise<Result>): Promise<Result> {
    try {
      return await answer
    } catch (error) {
      this.failure ??= error
      throw error
    }
  }
}

import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import type { Instant } from '../../instant.ts'
import { bind, type Statement, type Values } from '../rules/bind.ts'
import type { Database, PagedValues } from '../rules/database.ts'

/** A connection that prepares each statement once. */
export class SqliteDatabase implements Database {
  readonly #database: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(path: string, options: { readonly readOnly?: boolean } = {}) {
    this.#database = new DatabaseSync(path, { readOnly: options.readOnly ?? false, timeout: 5000 })
  }

  get<Row>(statement: Statement<Row>, values: Values): Row | undefined {
    return this.#prepare(statement.sql).get(...this.#bind(statement, values)) as Row | undefined
  }

  all<Row>(statement: Statement<Row>, values: Values): Row[] {
    return this.#prepare(statement.sql).all(...this.#bind(statement, values)) as Row[]
  }

  each<Row>(
    statement: Statement<Row>,
    values: PagedValues,
    { take }: { readonly take: (row: Row) => boolean },
  ): undefined {
    const rows = this.#prepare(statement.sql).iterate(...this.#bind(statement, values))
    for (const row of rows as IterableIterator<Row>) if (!take(row)) return
  }

  clock(own: Instant): Instant {
    return own
  }

  /** The writer says what its changes make invalid. */
  fresh(): undefined {
    return undefined
  }

  /** The number of rows changed and the id of the row inserted last. */
  run(statement: Statement<unknown>, values: Values): { readonly changes: number; readonly id: number } {
    const { changes, lastInsertRowid } = this.#prepare(statement.sql).run(...this.#bind(statement, values))
    return { changes: Number(changes), id: Number(lastInsertRowid) }
  }

  /** For pragmas, transactions and migrations. */
  execute(sql: string): void {
    this.#database.exec(sql)
  }

  /** Returns one row of plain SQL; for pragmas. */
  query(sql: string): Record<string, unknown> | undefined {
    return this.#database.prepare(sql).get()
  }

  get inTransaction(): boolean {
    return this.#database.isTransaction
  }

  close(): void {
    this.#prepared.clear()
    if (this.#database.isOpen) this.#database.close()
  }

  #bind(statement: Statement<unknown>, values: Values): SQLInputValue[] {
    return bind(statement, values) as SQLInputValue[]
  }

  #prepare(sql: string): StatementSync {
    let prepared = this.#prepared.get(sql)
    if (prepared === undefined) {
      prepared = this.#database.prepare(sql)
      this.#prepared.set(sql, prepared)
    }
    return prepared
  }
}

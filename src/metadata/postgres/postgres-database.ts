import type { Instant } from '../../instant.ts'
import type { Statement, Values } from '../rules/bind.ts'
import type { Database, Freshness, PagedValues } from '../rules/database.ts'
import type { Barrier } from './barrier.ts'
import { engineClock } from './engine-clock.ts'
import type { Link } from './link.ts'

/** Rows read first where one row may have megabytes. */
const firstRows = 8
const laterRows = 200

/** Reads on a connection of their own; repeated when the server restarts. */
export class PostgresDatabase implements Database {
  readonly #link: Link
  readonly #barrier: Barrier

  constructor(parts: { readonly link: Link; readonly barrier: Barrier }) {
    this.#link = parts.link
    this.#barrier = parts.barrier
  }

  async get<Row>(statement: Statement<Row>, values: Values): Promise<Row | undefined> {
    return (await this.all(statement, values))[0]
  }

  async all<Row>(statement: Statement<Row>, values: Values): Promise<Row[]> {
    return (await this.#link.repeat((connection) => connection.ask(statement, values))).rows
  }

  async each<Row>(
    statement: Statement<Row>,
    values: PagedValues,
    { place, take }: { readonly place: (row: Row) => string; readonly take: (row: Row) => boolean },
  ): Promise<undefined> {
    let { after } = values
    for (let left = values.limit, step = firstRows; left > 0;) {
      const limit = Math.min(left, step)
      const rows = await this.all(statement, { ...values, after, limit })
      for (const row of rows) {
        if (!take(row)) return undefined
        after = place(row)
      }
      if (rows.length < limit) return undefined
      left -= rows.length
      step = isSmall(rows) ? laterRows : firstRows
    }
    return undefined
  }

  async clock(_own: Instant): Promise<Instant> {
    return (await this.get(engineClock, {}))?.now ?? 0
  }

  fresh(): undefined | Promise<Freshness> {
    return this.#barrier.fresh()
  }
}

/** So small that many more of their kind fit into memory. */
function isSmall(rows: readonly unknown[]): boolean {
  let characters = 0
  for (const row of rows as readonly Record<string, unknown>[])
    for (const value of Object.values(row)) characters += typeof value === 'string' ? value.length : 0
  return characters < rows.length * 4096
}

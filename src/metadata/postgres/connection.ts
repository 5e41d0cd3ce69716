import { nextTick } from 'node:process'
import pg from 'pg'
import { bindValues, type SqlValue, type Statement, type Values } from '../rules/bind.ts'
import { asServerError, ConnectionLost } from './connection-errors.ts'
import { sessionLimits, type Pooler } from './pooler.ts'
import { rowTypes } from './row-values.ts'

/**
 * Every statement goes along indexes, from the rows that it is about to those that belong to them, whatever
 * statistics say: a table of two rows and one of ten millions are read in the same way.
 */
const plans = [
  'plan_cache_mode=force_generic_plan',
  ...['seqscan', 'bitmapscan', 'hashjoin', 'mergejoin', 'material'].map((way) => `enable_${way}=off`),
  // What reads a hundred rows gains nothing by further processes.
  'max_parallel_workers_per_gather=0',
  'jit=off',
]
const ofSession = plans.map((setting) => `-c ${setting}`).join(' ')
/** Behind a pooler, which refuses settings of a session, or forgets them. */
const ofTransaction = [
  ...plans,
  ...Object.entries(sessionLimits).map(([name, milliseconds]) => `${name}=${milliseconds}`),
]
  .map((setting) => `set local ${setting}`)
  .join('; ')

export type ConnectionOptions = pg.ClientConfig & { readonly pooler?: Pooler | undefined }

export interface Answer<Row> {
  readonly rows: Row[]
  readonly changes: number
  /** The command that was run; `ROLLBACK` for a COMMIT of a failed transaction. */
  readonly command: string
}

/**
 * One connection, on which statements are sent without waiting for the answers before (pipeline): the server
 * runs them in order.
 */
export class Connection {
  readonly #client: pg.Client
  /** What stands between this side and the server. */
  readonly pooler: Pooler | undefined
  #isOpen = true
  #isGathering = false

  /** Rejects with `pg.DatabaseError` when the server refuses, with ConnectionLost when there is none. */
  static async open({ pooler, ...options }: ConnectionOptions): Promise<Connection> {
    const client = new pg.Client({
      ...options,
      ...(pooler === undefined && { options: ofSession }),
      types: rowTypes,
      pipeline: true,
      keepAlive: true,
    })
    const connection = new Connection(client, pooler)
    try {
      await client.connect()
    } catch (error) {
      // The socket may still be open, for example after a wrong password.
      void client.end().catch(() => {})
      throw asServerError(error)
    }
    return connection
  }

  private constructor(client: pg.Client, pooler: Pooler | undefined) {
    this.#client = client
    this.pooler = pooler
    // A connection that breaks while it is idle is noticed by its next use.
    client.on('error', () => (this.#isOpen = false))
    client.on('end', () => (this.#isOpen = false))
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** The process of the server, as it was named when the connection was opened: a pooler names none that there is. */
  get process(): number {
    return Number(Reflect.get(this.#client, 'processID'))
  }

  /** Runs a statement under its name: it is prepared once for each connection. */
  ask<Row>(statement: Statement<Row>, values: Values): Promise<Answer<Row>> {
    const { postgres } = statement
    if (postgres === undefined) throw new Error(`no statement of PostgreSQL: ${statement.sql}`)
    const given = bindValues(postgres.values ?? statement.values, values).map(storable)
    return this.#query({ name: postgres.name, text: postgres.sql, values: given })
  }

  /** Runs plain SQL, under `name` if it has one; `values` may hold lists. */
  run<Row = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
    name?: string,
  ): Promise<Answer<Row>> {
    // Whatever begins a transaction begins it alone, or with settings of its own.
    const whole =
      this.pooler !== undefined && values === undefined && text.startsWith('begin')
        ? `${text}; ${ofTransaction}`
        : text
    return this.#query({ text: whole, ...(values && { values: [...values] }), ...(name && { name }) })
  }

  close(): void {
    this.#isOpen = false
    this.#client.end().catch(() => {})
  }

  /** What is sent in one turn of the event loop reaches the server at once: a system call for each statement costs more. */
  #gather(): void {
    if (this.#isGathering) return
    this.#isGathering = true
    const { stream } = this.#client.connection
    stream.cork()
    // A tick begins when no callback of a promise is left.
    nextTick(() => {
      this.#isGathering = false
      stream.uncork()
    })
  }

  async #query<Row>({ name, ...query }: pg.QueryConfig): Promise<Answer<Row>> {
    if (!this.#isOpen) throw new ConnectionLost('it was closed before')
    const isNamed = name !== undefined && this.pooler !== 'unnamed'
    this.#gather()
    try {
      const result = await this.#client.query<Record<string, unknown>>(isNamed ? { name, ...query } : query)
      return { rows: result.rows as Row[], changes: result.rowCount ?? 0, command: result.command }
    } catch (error) {
      throw asServerError(error)
    }
  }
}

/** PostgreSQL stores no NUL in text. */
export function storable(value: SqlValue): SqlValue {
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\u{FFFD}') : value
}

import type { Answer, Connection } from '../../../src/metadata/postgres/connection.ts'
import type { Statement, Values } from '../../../src/metadata/rules/bind.ts'

const touchedRows = `select sum(seq_tup_read + coalesce(idx_tup_fetch, 0) + n_tup_ins + n_tup_upd + n_tup_del)::int as touched
  from pg_stat_xact_user_tables`

/** Counts the rows that the transaction of a change reads and changes. A FlightCounter ends that by a rollback. */
export class WorkCounter {
  readonly #inner: Connection
  #before = 0
  #after = 0
  /** Rows of the longest answer. */
  longest = 0

  constructor(inner: Connection) {
    this.#inner = inner
  }

  /** Rows that the server has read or changed. */
  get touched(): number {
    return this.#after - this.#before
  }

  async ask<Row>(statement: Statement<Row>, values: Values): Promise<Answer<Row>> {
    const answer = await this.#inner.ask(statement, values)
    this.longest = Math.max(this.longest, answer.rows.length)
    return answer
  }

  async run(text: string, values?: readonly unknown[], name?: string): ReturnType<Connection['run']> {
    const ended = text === 'rollback' ? this.#count() : undefined
    const answer = this.#inner.run(text, values, name)
    // The server also counts what the transactions of the last second have done.
    const begun = text.startsWith('begin') ? this.#count() : undefined
    if (begun !== undefined) this.#before = await begun
    if (ended !== undefined) this.#after = await ended
    return answer
  }

  async #count(): Promise<number> {
    return (await this.#inner.run<{ touched: number }>(touchedRows)).rows[0]?.touched ?? 0
  }
}

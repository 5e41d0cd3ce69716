import type { Statement, Values } from './bind.ts'

/** What reads are asked of. SQLite answers at once, a server later: always await. */
export interface Database {
  get<Row>(statement: Statement<Row>, values: Values): Row | undefined | Promise<Row | undefined>
  all<Row>(statement: Statement<Row>, values: Values): Row[] | Promise<Row[]>
  /** Row by row, until `take` gives false: rows beyond are not read. */
  each<Row>(
    statement: Statement<Row>,
    values: Values,
    take: (row: Row) => boolean,
  ): undefined | Promise<undefined>
}

import { sql } from 'kysely'
import { compile, parameter, sqliteQueries } from './query.ts'

const queries = sqliteQueries()

export const insertNote = compile(
  queries.insertInto('outbox').values({
    note: parameter<string | null>('note'),
    facts: parameter<string | null>('facts'),
    total: parameter<number>('total'),
  }),
)
/** One row, whatever there is: the ends of the outbox, and what went unrecorded. */
export const outboxState = compile(
  queries.selectNoFrom([
    sql<number | null>`(select id from outbox order by id limit 1)`.as('firstId'),
    sql<number | null>`(select total from outbox order by id limit 1)`.as('firstTotal'),
    sql<number | null>`(select id from outbox order by id desc limit 1)`.as('lastId'),
    sql<number | null>`(select total from outbox order by id desc limit 1)`.as('lastTotal'),
    sql<string | null>`(select value from setting where name = ${parameter<string>('name')})`.as(
      'unrecorded',
    ),
  ]),
)
export const forgetNotes = compile(queries.deleteFrom('outbox').where('id', '<=', parameter<number>('upTo')))

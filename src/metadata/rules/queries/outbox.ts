import { sql } from 'kysely'
import type { Statement } from '../bind.ts'
import { place } from './engines.ts'
import { compile, parameter, queryBuilder } from './query.ts'

const queries = queryBuilder()

type Table = 'outbox' | 'denial_outbox'

interface Ends {
  readonly firstId: number | null
  readonly firstTotal: number | null
  readonly lastId: number | null
  readonly lastTotal: number | null
  readonly unrecorded: string | null
}

export const insertAuditRecord = insertInto('outbox')
export const insertDenial = insertInto('denial_outbox')
/** Always one row: the first and last row of the outbox, and the count of unrecorded changes. */
export const outboxState = endsOf('outbox')
export const denialsState = endsOf('denial_outbox')
export const forgetAuditRecords = forgetIn('outbox')
export const forgetDenials = forgetIn('denial_outbox')

function insertInto(table: Table): Statement<unknown> {
  return compile(
    queries.insertInto(table).values({
      note: parameter<string | null>('note'),
      facts: parameter<string | null>('facts'),
      total: parameter<number>('total'),
    }),
  )
}

function endsOf(table: Table): Statement<Ends> {
  const end = (column: 'id' | 'total', order: 'asc' | 'desc') =>
    sql<
      number | null
    >`(select ${sql.ref(column)} from ${sql.table(table)} order by id ${sql.raw(order)} limit 1)`
  return compile(
    queries.selectNoFrom([
      end('id', 'asc').as('firstId'),
      end('total', 'asc').as('firstTotal'),
      end('id', 'desc').as('lastId'),
      end('total', 'desc').as('lastTotal'),
      sql<string | null>`(select value from setting where name = ${parameter<string>('name')})`.as(
        'unrecorded',
      ),
    ]),
  )
}

function forgetIn(table: Table): Statement<unknown> {
  return compile(queries.deleteFrom(table).where(place, '<=', parameter<number>('upTo')))
}

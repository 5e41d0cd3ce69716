// Made of ../queries/outbox.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/outbox.ts'

export const denialsState: typeof queries.denialsState = {
  sql: 'select (select "id" from "denial_outbox" order by id asc limit 1) as "firstId", (select "total" from "denial_outbox" order by id asc limit 1) as "firstTotal", (select "id" from "denial_outbox" order by id desc limit 1) as "lastId", (select "total" from "denial_outbox" order by id desc limit 1) as "lastTotal", (select value from setting where name = ?) as "unrecorded"',
  values: [new Parameter('name')],
}
export const forgetDenials: typeof queries.forgetDenials = {
  sql: 'delete from "denial_outbox" where "id" <= ?',
  values: [new Parameter('upTo')],
}
export const forgetNotes: typeof queries.forgetNotes = {
  sql: 'delete from "outbox" where "id" <= ?',
  values: [new Parameter('upTo')],
}
export const insertDenial: typeof queries.insertDenial = {
  sql: 'insert into "denial_outbox" ("note", "facts", "total") values (?, ?, ?)',
  values: [new Parameter('note'), new Parameter('facts'), new Parameter('total')],
}
export const insertNote: typeof queries.insertNote = {
  sql: 'insert into "outbox" ("note", "facts", "total") values (?, ?, ?)',
  values: [new Parameter('note'), new Parameter('facts'), new Parameter('total')],
}
export const outboxState: typeof queries.outboxState = {
  sql: 'select (select "id" from "outbox" order by id asc limit 1) as "firstId", (select "total" from "outbox" order by id asc limit 1) as "firstTotal", (select "id" from "outbox" order by id desc limit 1) as "lastId", (select "total" from "outbox" order by id desc limit 1) as "lastTotal", (select value from setting where name = ?) as "unrecorded"',
  values: [new Parameter('name')],
}

// Made of ../queries/outbox.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/outbox.ts'

export const denialsState: typeof queries.denialsState = {
  sql: 'select (select "id" from "denial_outbox" order by id asc limit 1) as "firstId", (select "total" from "denial_outbox" order by id asc limit 1) as "firstTotal", (select "id" from "denial_outbox" order by id desc limit 1) as "lastId", (select "total" from "denial_outbox" order by id desc limit 1) as "lastTotal", (select value from setting where name = ?) as "unrecorded"',
  values: [new Parameter('name')],
  postgres: {
    name: 'outbox.denialsState',
    sql: 'select (select "id" from "denial_outbox" order by id asc limit 1) as "firstId", (select "total" from "denial_outbox" order by id asc limit 1) as "firstTotal", (select "id" from "denial_outbox" order by id desc limit 1) as "lastId", (select "total" from "denial_outbox" order by id desc limit 1) as "lastTotal", (select value from setting where name = $1) as "unrecorded"',
  },
}
export const forgetAuditRecords: typeof queries.forgetAuditRecords = {
  sql: 'delete from "outbox" where "id" <= ?',
  values: [new Parameter('upTo')],
  postgres: { name: 'outbox.forgetAuditRecords', sql: 'delete from "outbox" where "place" <= $1' },
}
export const forgetDenials: typeof queries.forgetDenials = {
  sql: 'delete from "denial_outbox" where "id" <= ?',
  values: [new Parameter('upTo')],
  postgres: { name: 'outbox.forgetDenials', sql: 'delete from "denial_outbox" where "place" <= $1' },
}
export const insertAuditRecord: typeof queries.insertAuditRecord = {
  sql: 'insert into "outbox" ("note", "facts", "total") values (?, ?, ?)',
  values: [new Parameter('note'), new Parameter('facts'), new Parameter('total')],
  postgres: {
    name: 'outbox.insertAuditRecord',
    sql: 'insert into "outbox" ("note", "facts", "total") values ($1, $2, $3)',
  },
}
export const insertDenial: typeof queries.insertDenial = {
  sql: 'insert into "denial_outbox" ("note", "facts", "total") values (?, ?, ?)',
  values: [new Parameter('note'), new Parameter('facts'), new Parameter('total')],
  postgres: {
    name: 'outbox.insertDenial',
    sql: 'insert into "denial_outbox" ("note", "facts", "total") values ($1, $2, $3)',
  },
}
export const outboxState: typeof queries.outboxState = {
  sql: 'select (select "id" from "outbox" order by id asc limit 1) as "firstId", (select "total" from "outbox" order by id asc limit 1) as "firstTotal", (select "id" from "outbox" order by id desc limit 1) as "lastId", (select "total" from "outbox" order by id desc limit 1) as "lastTotal", (select value from setting where name = ?) as "unrecorded"',
  values: [new Parameter('name')],
  postgres: {
    name: 'outbox.outboxState',
    sql: 'select (select "id" from "outbox" order by id asc limit 1) as "firstId", (select "total" from "outbox" order by id asc limit 1) as "firstTotal", (select "id" from "outbox" order by id desc limit 1) as "lastId", (select "total" from "outbox" order by id desc limit 1) as "lastTotal", (select value from setting where name = $1) as "unrecorded"',
  },
}

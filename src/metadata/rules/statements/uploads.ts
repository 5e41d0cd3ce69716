// Made of ../queries/uploads.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/uploads.ts'

export const deleteUpload: typeof queries.deleteUpload = {
  sql: 'delete from "upload" where "id" = ?',
  values: [new Parameter('id')],
}
export const emptyUpload: typeof queries.emptyUpload = {
  sql: 'select "upload"."id" from "upload" inner join "repository" on "repository"."id" = "upload"."repository_id" where "upload"."id" = ? and "repository"."name" = ? and "upload"."size" = ? and "upload"."data_key" is null',
  values: [new Parameter('id'), new Parameter('name'), 0],
}
export const insertUpload: typeof queries.insertUpload = {
  sql: 'insert into "upload" ("id", "repository_id", "algorithm", "data_key", "size", "inline_bytes", "hash_state", "digest", "cut_from", "started_at", "touched_at") values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  values: [
    new Parameter('id'),
    new Parameter('repository'),
    new Parameter('algorithm'),
    null,
    0,
    null,
    null,
    null,
    null,
    new Parameter('now'),
    new Parameter('now'),
  ],
}
export const updateUpload: typeof queries.updateUpload = {
  sql: 'update "upload" set "data_key" = ?, "size" = ?, "inline_bytes" = ?, "hash_state" = ?, "digest" = ?, "cut_from" = ?, "touched_at" = ? where "id" = ?',
  values: [
    new Parameter('key'),
    new Parameter('size'),
    new Parameter('bytes'),
    new Parameter('hashState'),
    new Parameter('digest'),
    new Parameter('cutFrom'),
    new Parameter('now'),
    new Parameter('id'),
  ],
}
export const uploadKey: typeof queries.uploadKey = {
  sql: 'select "data_key" from "upload" where "id" = ? and "repository_id" = ?',
  values: [new Parameter('id'), new Parameter('repository')],
}

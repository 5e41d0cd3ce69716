// Made of ../queries/uploads.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/uploads.ts'

export const deleteEmptyUpload: typeof queries.deleteEmptyUpload = {
  sql: 'delete from "upload" where "id" = ? and "size" = ? and "data_key" is null and "repository_id" = (select "id" from "repository" where "name" = ? and "vacated_at" is null) and true and true',
  values: [new Parameter('id'), 0, new Parameter('name')],
  postgres: {
    name: 'uploads.deleteEmptyUpload',
    sql: 'delete from "upload" where "id" = $1 and "size" = $2 and "data_key" is null and "repository_id" = (select "id" from "repository" where "name" = $3 and "vacated_at" is null) and (upload.holder is null or upload.heard_at < clock_timestamp() - interval \'15 seconds\') and fence = coalesce($4, fence)',
    values: [new Parameter('id'), 0, new Parameter('name'), new Parameter('fence')],
  },
}
export const deleteUpload: typeof queries.deleteUpload = {
  sql: 'delete from "upload" where "id" = ? and true',
  values: [new Parameter('id')],
  postgres: {
    name: 'uploads.deleteUpload',
    sql: 'delete from "upload" where "id" = $1 and fence = coalesce($2, fence)',
    values: [new Parameter('id'), new Parameter('fence')],
  },
}
export const insertUpload: typeof queries.insertUpload = {
  sql: 'insert into "upload" ("id", "repository_id", "algorithm", "data_key", "parts", "size", "inline_bytes", "hash_state", "digest", "cut_from", "started_at", "touched_at") values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  values: [
    new Parameter('id'),
    new Parameter('repository'),
    new Parameter('algorithm'),
    null,
    null,
    0,
    null,
    null,
    null,
    null,
    new Parameter('now'),
    new Parameter('now'),
  ],
  postgres: {
    name: 'uploads.insertUpload',
    sql: 'insert into "upload" ("id", "repository_id", "algorithm", "data_key", "parts", "size", "inline_bytes", "hash_state", "digest", "cut_from", "started_at", "touched_at") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)',
  },
}
export const updateUpload: typeof queries.updateUpload = {
  sql: 'update "upload" set "data_key" = ?, "parts" = ?, "size" = ?, "inline_bytes" = ?, "hash_state" = ?, "digest" = ?, "cut_from" = ?, "touched_at" = ? where "id" = ? and true',
  values: [
    new Parameter('key'),
    new Parameter('parts'),
    new Parameter('size'),
    new Parameter('bytes'),
    new Parameter('hashState'),
    new Parameter('digest'),
    new Parameter('cutFrom'),
    new Parameter('now'),
    new Parameter('id'),
  ],
  postgres: {
    name: 'uploads.updateUpload',
    sql: 'update "upload" set "data_key" = $1, "parts" = $2, "size" = $3, "inline_bytes" = $4, "hash_state" = $5, "digest" = $6, "cut_from" = $7, "touched_at" = $8 where "id" = $9 and fence = coalesce($10, fence)',
    values: [
      new Parameter('key'),
      new Parameter('parts'),
      new Parameter('size'),
      new Parameter('bytes'),
      new Parameter('hashState'),
      new Parameter('digest'),
      new Parameter('cutFrom'),
      new Parameter('now'),
      new Parameter('id'),
      new Parameter('fence'),
    ],
  },
}
export const uploadKey: typeof queries.uploadKey = {
  sql: 'select "data_key" from "upload" where "id" = ? and "repository_id" = (select "id" from "repository" where "name" = ? and "vacated_at" is null) and true',
  values: [new Parameter('id'), new Parameter('name')],
  postgres: {
    name: 'uploads.uploadKey',
    sql: 'select "data_key" from "upload" where "id" = $1 and "repository_id" = (select "id" from "repository" where "name" = $2 and "vacated_at" is null) and fence = coalesce($3, fence)',
    values: [new Parameter('id'), new Parameter('name'), new Parameter('fence')],
  },
}

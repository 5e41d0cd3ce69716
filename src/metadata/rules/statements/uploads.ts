// Made of ../queries/uploads.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/uploads.ts'

export const deleteUpload: typeof queries.deleteUpload = {
  sql: 'delete from "upload" where "id" = ? and true',
  values: [new Parameter('id')],
  postgres: {
    name: 'uploads.deleteUpload',
    sql: 'delete from "upload" where "id" = $1 and fence = coalesce($2, fence)',
    values: [new Parameter('id'), new Parameter('fence')],
  },
}
export const emptyUpload: typeof queries.emptyUpload = {
  sql: 'select "upload"."id" from "upload" inner join "repository" on "repository"."id" = "upload"."repository_id" where "upload"."id" = ? and "repository"."name" = ? and "upload"."size" = ? and "upload"."data_key" is null and true',
  values: [new Parameter('id'), new Parameter('name'), 0],
  postgres: {
    name: 'uploads.emptyUpload',
    sql: 'select "upload"."id" from "upload" inner join "repository" on "repository"."id" = "upload"."repository_id" where "upload"."id" = $1 and "repository"."name" = $2 and "upload"."size" = $3 and "upload"."data_key" is null and (upload.holder is null or upload.heard_at < clock_timestamp() - interval \'15 seconds\')',
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
  sql: 'select "data_key" from "upload" where "id" = ? and "repository_id" = ? and true',
  values: [new Parameter('id'), new Parameter('repository')],
  postgres: {
    name: 'uploads.uploadKey',
    sql: 'select "data_key" from "upload" where "id" = $1 and "repository_id" = $2 and fence = coalesce($3, fence)',
    values: [new Parameter('id'), new Parameter('repository'), new Parameter('fence')],
  },
}

// Made of ../queries/figures.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/figures.ts'

export const blobFigures: typeof queries.blobFigures = {
  sql: 'select count(*) as "rows", max(part.blob_id) as "last", coalesce(sum(case when part.unreferenced_since is null then part.size else 0 end), 0) as "bytes" from (select "link"."blob_id", "link"."unreferenced_since", "blob"."size" from "repository_blob" as "link" inner join "blob" on "blob"."id" = "link"."blob_id" where "link"."repository_id" = ? and "link"."blob_id" > ? order by "link"."blob_id" limit ? + 0) as "part"',
  values: [new Parameter('repository'), new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'figures.blobFigures',
    sql: 'select count(*) as "rows", max(part.blob_id) as "last", coalesce(sum(case when part.unreferenced_since is null then part.size else 0 end), 0) as "bytes" from (select "link"."blob_id", "link"."unreferenced_since", "blob"."size" from "repository_blob" as "link" inner join "blob" on "blob"."id" = "link"."blob_id" where "link"."repository_id" = $1 and "link"."blob_id" > $2 order by "link"."blob_id" limit $3) as "part"',
  },
}
export const manifestFigures: typeof queries.manifestFigures = {
  sql: 'select count(*) as "rows", max(part.digest) as "last", max(part.pushed_at) as "latest", coalesce(sum(part.size), 0) as "bytes" from (select "digest", "size", "pushed_at" from "manifest" where "repository_id" = ? and "digest" > ? order by "digest" limit ? + 0) as "part"',
  values: [new Parameter('repository'), new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'figures.manifestFigures',
    sql: 'select count(*) as "rows", max(part.digest) as "last", max(part.pushed_at) as "latest", coalesce(sum(part.size), 0) as "bytes" from (select "digest", "size", "pushed_at" from "manifest" where "repository_id" = $1 and "digest" > $2 order by "digest" limit $3) as "part"',
  },
}
export const tagFigures: typeof queries.tagFigures = {
  sql: 'select count(*) as "rows", max(part.name) as "last", max(part.updated_at) as "latest" from (select "name", "updated_at" from "tag" where "repository_id" = ? and "name" > ? order by "name" limit ? + 0) as "part"',
  values: [new Parameter('repository'), new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'figures.tagFigures',
    sql: 'select count(*) as "rows", max(part.name) as "last", max(part.updated_at) as "latest" from (select "name", "updated_at" from "tag" where "repository_id" = $1 and "name" > $2 order by "name" limit $3) as "part"',
  },
}

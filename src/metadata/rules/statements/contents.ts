// Made of ../queries/contents.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/contents.ts'

export const blobOfTwin: typeof queries.blobOfTwin = {
  sql: 'select "digest" from "blob" where "twin" = ? limit ? + 0',
  values: [new Parameter('digest'), 1],
  postgres: { name: 'contents.blobOfTwin', sql: 'select "digest" from "blob" where "twin" = $1 limit $2' },
}
export const copiesInWindow: typeof queries.copiesInWindow = {
  sql: 'select "repository"."name", "manifest"."digest", "manifest"."media_type", "manifest"."artifact_type" from "repository" cross join "manifest" where "repository"."id" >= ? and "repository"."id" < ? and "manifest"."repository_id" = "repository"."id" and "manifest"."digest" = ? order by "repository"."id"',
  values: [new Parameter('first'), new Parameter('end'), new Parameter('digest')],
  postgres: {
    name: 'contents.copiesInWindow',
    sql: 'select "repository"."name", "manifest"."digest", "manifest"."media_type", "manifest"."artifact_type" from "repository" cross join "manifest" where "repository"."id" >= $1 and "repository"."id" < $2 and "manifest"."repository_id" = "repository"."id" and "manifest"."digest" = $3 order by "repository"."id"',
  },
}
export const manifestId: typeof queries.manifestId = {
  sql: 'select "manifest"."id", "manifest"."repository_id" from "manifest" inner join "repository" on "repository"."id" = "manifest"."repository_id" where "repository"."name" = ? and "manifest"."digest" = ?',
  values: [new Parameter('name'), new Parameter('digest')],
  postgres: {
    name: 'contents.manifestId',
    sql: 'select "manifest"."id", "manifest"."repository_id" from "manifest" inner join "repository" on "repository"."id" = "manifest"."repository_id" where "repository"."name" = $1 and "manifest"."digest" = $2',
  },
}
export const namedAfter: typeof queries.namedAfter = {
  sql: 'select "entry"."child", "entry"."kind", "blob"."size" as "blob_size", "blob"."twin", "link"."blob_id", "held"."id" as "manifest_id", "held"."size" as "manifest_size", "held"."media_type" from "manifest_reference" as "entry" left join "blob" on "blob"."digest" = "entry"."child" left join "repository_blob" as "link" on "link"."blob_id" = "blob"."id" and "link"."repository_id" = ? left join "manifest" as "held" on "held"."repository_id" = ? and "held"."digest" = "entry"."child" where "entry"."manifest_id" = ? and "entry"."repository_id" = ? and "entry"."child" > ? order by "entry"."child" limit ? + 0',
  values: [
    new Parameter('repository'),
    new Parameter('repository'),
    new Parameter('manifest'),
    new Parameter('repository'),
    new Parameter('after'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'contents.namedAfter',
    sql: 'select "entry"."child", "entry"."kind", "blob"."size" as "blob_size", "blob"."twin", "link"."blob_id", "held"."id" as "manifest_id", "held"."size" as "manifest_size", "held"."media_type" from "manifest_reference" as "entry" left join "blob" on "blob"."digest" = "entry"."child" left join "repository_blob" as "link" on "link"."blob_id" = "blob"."id" and "link"."repository_id" = $1 left join "manifest" as "held" on "held"."repository_id" = $2 and "held"."digest" = "entry"."child" where "entry"."manifest_id" = $3 and "entry"."repository_id" = $4 and "entry"."child" > $5 order by "entry"."child" limit $6',
  },
}
export const parentsAfter: typeof queries.parentsAfter = {
  sql: 'select "manifest"."id", "manifest"."digest", "manifest"."media_type", "manifest"."artifact_type", "entry"."kind" from "manifest_reference" as "entry" inner join "manifest" on "manifest"."id" = "entry"."manifest_id" where "entry"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = ?) and "entry"."child" = ? and "entry"."manifest_id" > ? order by "entry"."manifest_id" limit ? + 0',
  values: [
    new Parameter('name'),
    new Parameter('digest'),
    new Parameter('afterManifest'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'contents.parentsAfter',
    sql: 'select "manifest"."id", "manifest"."digest", "manifest"."media_type", "manifest"."artifact_type", "entry"."kind" from "manifest_reference" as "entry" inner join "manifest" on "manifest"."id" = "entry"."manifest_id" where "entry"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = $1) and "entry"."child" = $2 and "entry"."manifest_id" > $3 order by "entry"."manifest_id" limit $4',
  },
}
export const parentsInWindow: typeof queries.parentsInWindow = {
  sql: 'select "repository"."id" as "repository_id", "repository"."name", "manifest"."id", "manifest"."digest", "manifest"."media_type", "manifest"."artifact_type", "entry"."kind" from "repository" cross join manifest_reference as "entry" cross join "manifest" where "repository"."id" >= ? and "repository"."id" < ? and "entry"."repository_id" = "repository"."id" and "entry"."child" = ? and "entry"."manifest_id" > case when repository.id > ? then 0 else ? end and "manifest"."id" = "entry"."manifest_id" order by "repository"."id", "entry"."manifest_id" limit ? + 0',
  values: [
    new Parameter('first'),
    new Parameter('end'),
    new Parameter('digest'),
    new Parameter('first'),
    new Parameter('afterManifest'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'contents.parentsInWindow',
    sql: 'select "repository"."id" as "repository_id", "repository"."name", "manifest"."id", "manifest"."digest", "manifest"."media_type", "manifest"."artifact_type", "entry"."kind" from "repository" cross join lateral (\n    select parent.* from manifest_reference as parent\n    where parent.repository_id = repository.id and parent.child = $1 and parent.manifest_id > case when repository.id > $2 then 0 else cast($3 as bigint) end\n    order by parent.manifest_id limit $4) as "entry" cross join "manifest" where "repository"."id" >= $5 and "repository"."id" < $6 and "entry"."repository_id" = "repository"."id" and "entry"."child" = $7 and "entry"."manifest_id" > case when repository.id > $8 then 0 else cast($9 as bigint) end and "manifest"."id" = "entry"."manifest_id" order by "repository"."id", "entry"."manifest_id" limit $10',
    values: [
      new Parameter('digest'),
      new Parameter('first'),
      new Parameter('afterManifest'),
      new Parameter('limit'),
      new Parameter('first'),
      new Parameter('end'),
      new Parameter('digest'),
      new Parameter('first'),
      new Parameter('afterManifest'),
      new Parameter('limit'),
    ],
  },
}
export const twinOfBlob: typeof queries.twinOfBlob = {
  sql: 'select "twin" from "blob" where "digest" = ?',
  values: [new Parameter('digest')],
  postgres: { name: 'contents.twinOfBlob', sql: 'select "twin" from "blob" where "digest" = $1' },
}
export const windowEnd: typeof queries.windowEnd = {
  sql: 'select "id" from "repository" where "id" >= ? order by "id" limit ? + 0 offset ?',
  values: [new Parameter('first'), 1, new Parameter('size')],
  postgres: {
    name: 'contents.windowEnd',
    sql: 'select "id" from "repository" where "id" >= $1 order by "id" limit $2 offset $3',
  },
}

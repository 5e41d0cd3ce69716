// Made of ../queries/blobs.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/blobs.ts'

export const addPendingDelete: typeof queries.addPendingDelete = {
  sql: 'insert into "pending_delete" ("data_key") select ? as "data_key" where not exists (select 1 from blob where data_key = ?) and true on conflict do nothing',
  values: [new Parameter('key'), new Parameter('key')],
  postgres: {
    name: 'blobs.addPendingDelete',
    sql: 'insert into "pending_delete" ("data_key") select cast($1 as text) as "data_key" where not exists (select 1 from blob where data_key = $2) and not exists (select 1 from upload where data_key = $3) on conflict do nothing',
    values: [new Parameter('key'), new Parameter('key'), new Parameter('key')],
  },
}
export const anyLinkOf: typeof queries.anyLinkOf = {
  sql: 'select (select name from repository where id = link.repository_id) as "name" from "repository_blob" as "link" where "link"."blob_id" = (select id from blob where digest = ?) limit ? + 0',
  values: [new Parameter('digest'), 1],
  postgres: {
    name: 'blobs.anyLinkOf',
    sql: 'select (select name from repository where id = link.repository_id) as "name" from "repository_blob" as "link" where "link"."blob_id" = (select id from blob where digest = $1) limit $2',
  },
}
export const anyParent: typeof queries.anyParent = {
  sql: 'select "manifest"."digest" from "manifest_reference" inner join "manifest" on "manifest"."id" = "manifest_reference"."manifest_id" where "manifest_reference"."repository_id" = (select id from repository where name = ?) and "manifest_reference"."child" = ? limit ? + 0',
  values: [new Parameter('name'), new Parameter('digest'), 1],
  postgres: {
    name: 'blobs.anyParent',
    sql: 'select "manifest"."digest" from "manifest_reference" inner join "manifest" on "manifest"."id" = "manifest_reference"."manifest_id" where "manifest_reference"."repository_id" = (select id from repository where name = $1) and "manifest_reference"."child" = $2 limit $3',
  },
}
export const blobByDigest: typeof queries.blobByDigest = {
  sql: 'select "id", "state", "data_key", "size", "unlinked_since" from "blob" where "digest" = ?',
  values: [new Parameter('digest')],
  postgres: {
    name: 'blobs.blobByDigest',
    sql: 'select "id", "state", "data_key", "size", "unlinked_since" from "blob" where "digest" = $1',
  },
}
export const deleteLink: typeof queries.deleteLink = {
  sql: 'delete from "repository_blob" where "repository_id" = ? and "blob_id" = ?',
  values: [new Parameter('repository'), new Parameter('blob')],
  postgres: {
    name: 'blobs.deleteLink',
    sql: 'delete from "repository_blob" where "repository_id" = $1 and "blob_id" = $2',
  },
}
export const insertBlob: typeof queries.insertBlob = {
  sql: 'insert into "blob" ("digest", "size", "data_key", "state", "unlinked_since", "condemned_at", "twin") values (?, ?, ?, ?, ?, ?, ?) on conflict do nothing',
  values: [
    new Parameter('digest'),
    new Parameter('size'),
    new Parameter('key'),
    'live',
    null,
    null,
    new Parameter('twin'),
  ],
  postgres: {
    name: 'blobs.insertBlob',
    sql: 'insert into "blob" ("digest", "size", "data_key", "state", "unlinked_since", "condemned_at", "twin") values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing returning "id"',
  },
}
export const insertBody: typeof queries.insertBody = {
  sql: 'insert into "blob_body" ("blob_id", "body") values (?, ?)',
  values: [new Parameter('blob'), new Parameter('body')],
  postgres: { name: 'blobs.insertBody', sql: 'insert into "blob_body" ("blob_id", "body") values ($1, $2)' },
}
export const insertLink: typeof queries.insertLink = {
  sql: 'insert into "repository_blob" ("repository_id", "blob_id", "unreferenced_since") values (?, (select id from blob where digest = ?), case when exists (select 1 from manifest_reference\n        where repository_id = ? and child = ?)\n        then null else ? end) on conflict do nothing',
  values: [
    new Parameter('repository'),
    new Parameter('digest'),
    new Parameter('repository'),
    new Parameter('digest'),
    new Parameter('now'),
  ],
  postgres: {
    name: 'blobs.insertLink',
    sql: 'insert into "repository_blob" ("repository_id", "blob_id", "unreferenced_since") values ($1, (select id from blob where digest = $2), case when exists (select 1 from manifest_reference\n        where repository_id = $3 and child = $4)\n        then null else cast($5 as bigint) end) on conflict do nothing',
  },
}
export const linkByName: typeof queries.linkByName = {
  sql: 'select "link"."repository_id", "repository"."name", "link"."blob_id", "link"."unreferenced_since", "blob"."size" from "repository" inner join "repository_blob" as "link" on "link"."repository_id" = "repository"."id" inner join "blob" on "blob"."id" = "link"."blob_id" where "repository"."vacated_at" is null and "blob"."digest" = ? and "repository"."name" = ?',
  values: [new Parameter('digest'), new Parameter('name')],
  postgres: {
    name: 'blobs.linkByName',
    sql: 'select "link"."repository_id", "repository"."name", "link"."blob_id", "link"."unreferenced_since", "blob"."size" from "repository" inner join "repository_blob" as "link" on "link"."repository_id" = "repository"."id" inner join "blob" on "blob"."id" = "link"."blob_id" where "repository"."vacated_at" is null and "blob"."digest" = $1 and "repository"."name" = $2',
  },
}
export const linksOfBlob: typeof queries.linksOfBlob = {
  sql: 'select "repository_blob"."repository_id" as "id", (select name from repository where repository.id = repository_blob.repository_id) as "name" from "repository_blob" where "repository_blob"."blob_id" = ?',
  values: [new Parameter('blob')],
  postgres: {
    name: 'blobs.linksOfBlob',
    sql: 'select "repository_blob"."repository_id" as "id", (select name from repository where repository.id = repository_blob.repository_id) as "name" from "repository_blob" where "repository_blob"."blob_id" = $1',
  },
}
export const markUnlinked: typeof queries.markUnlinked = {
  sql: 'update "blob" set "unlinked_since" = ? where "id" = ? and not exists (select 1 from repository_blob where blob_id = ?)',
  values: [new Parameter('now'), new Parameter('blob'), new Parameter('blob')],
  postgres: {
    name: 'blobs.markUnlinked',
    sql: 'update "blob" set "unlinked_since" = $1 where "id" = $2 and not exists (select 1 from repository_blob where blob_id = $3)',
  },
}
export const renewLink: typeof queries.renewLink = {
  sql: 'update "repository_blob" set "unreferenced_since" = ? where "repository_id" = ? and "blob_id" = ? and "unreferenced_since" is not null',
  values: [new Parameter('now'), new Parameter('repository'), new Parameter('blob')],
  postgres: {
    name: 'blobs.renewLink',
    sql: 'update "repository_blob" set "unreferenced_since" = $1 where "repository_id" = $2 and "blob_id" = $3 and "unreferenced_since" is not null',
  },
}
export const rescueBlob: typeof queries.rescueBlob = {
  sql: 'update "blob" set "state" = ?, "unlinked_since" = ?, "condemned_at" = ? where "id" = ? and "unlinked_since" is not null',
  values: ['live', null, null, new Parameter('blob')],
  postgres: {
    name: 'blobs.rescueBlob',
    sql: 'update "blob" set "state" = $1, "unlinked_since" = $2, "condemned_at" = $3 where "id" = $4 and "unlinked_since" is not null',
  },
}
export const setTwin: typeof queries.setTwin = {
  sql: 'update "blob" set "twin" = ? where "digest" = ?',
  values: [new Parameter('twin'), new Parameter('digest')],
  postgres: { name: 'blobs.setTwin', sql: 'update "blob" set "twin" = $1 where "digest" = $2' },
}

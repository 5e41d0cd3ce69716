// Made of ../queries/blobs.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/blobs.ts'

export const addPendingDelete: typeof queries.addPendingDelete = {
  sql: 'insert into "pending_delete" ("data_key") select ? as "data_key" where not exists (select 1 from blob where data_key = ?) on conflict do nothing',
  values: [new Parameter('key'), new Parameter('key')],
}
export const anyLink: typeof queries.anyLink = {
  sql: 'select "repository_id" from "repository_blob" where "blob_id" = ? limit ? + 0',
  values: [new Parameter('blob'), 1],
}
export const anyParent: typeof queries.anyParent = {
  sql: 'select "manifest"."digest" from "manifest_reference" inner join "manifest" on "manifest"."id" = "manifest_reference"."manifest_id" where "manifest_reference"."repository_id" = ? and "manifest_reference"."child" = ? limit ? + 0',
  values: [new Parameter('repository'), new Parameter('digest'), 1],
}
export const blobByDigest: typeof queries.blobByDigest = {
  sql: 'select "id", "state", "data_key", "size" from "blob" where "digest" = ?',
  values: [new Parameter('digest')],
}
export const deleteLink: typeof queries.deleteLink = {
  sql: 'delete from "repository_blob" where "repository_id" = ? and "blob_id" = ?',
  values: [new Parameter('repository'), new Parameter('blob')],
}
export const insertBlob: typeof queries.insertBlob = {
  sql: 'insert into "blob" ("digest", "size", "data_key", "state", "unlinked_since", "condemned_at", "twin") values (?, ?, ?, ?, ?, ?, ?)',
  values: [
    new Parameter('digest'),
    new Parameter('size'),
    new Parameter('key'),
    'live',
    null,
    null,
    new Parameter('twin'),
  ],
}
export const insertBody: typeof queries.insertBody = {
  sql: 'insert into "blob_body" ("blob_id", "body") values (?, ?)',
  values: [new Parameter('blob'), new Parameter('body')],
}
export const insertLink: typeof queries.insertLink = {
  sql: 'insert into "repository_blob" ("repository_id", "blob_id", "unreferenced_since") values (?, ?, ?) on conflict do nothing',
  values: [new Parameter('repository'), new Parameter('blob'), new Parameter('since')],
}
export const linkOf: typeof queries.linkOf = {
  sql: 'select "unreferenced_since" from "repository_blob" where "repository_id" = ? and "blob_id" = ?',
  values: [new Parameter('repository'), new Parameter('blob')],
}
export const linksOfBlob: typeof queries.linksOfBlob = {
  sql: 'select "repository"."id", "repository"."name" from "repository_blob" inner join "repository" on "repository"."id" = "repository_blob"."repository_id" where "repository_blob"."blob_id" = ?',
  values: [new Parameter('blob')],
}
export const markUnlinked: typeof queries.markUnlinked = {
  sql: 'update "blob" set "unlinked_since" = ? where "id" = ?',
  values: [new Parameter('now'), new Parameter('blob')],
}
export const renewLink: typeof queries.renewLink = {
  sql: 'update "repository_blob" set "unreferenced_since" = ? where "repository_id" = ? and "blob_id" = ? and "unreferenced_since" is not null',
  values: [new Parameter('now'), new Parameter('repository'), new Parameter('blob')],
}
export const rescueBlob: typeof queries.rescueBlob = {
  sql: 'update "blob" set "state" = ?, "unlinked_since" = ?, "condemned_at" = ? where "id" = ? and "unlinked_since" is not null',
  values: ['live', null, null, new Parameter('blob')],
}
export const setTwin: typeof queries.setTwin = {
  sql: 'update "blob" set "twin" = ? where "digest" = ?',
  values: [new Parameter('twin'), new Parameter('digest')],
}

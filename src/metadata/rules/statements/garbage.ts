// Made of ../queries/garbage.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/garbage.ts'

export const deleteBlob: typeof queries.deleteBlob = {
  sql: 'delete from "blob" where "id" = ?',
  values: [new Parameter('blob')],
  postgres: { name: 'garbage.deleteBlob', sql: 'delete from "blob" where "id" = $1' },
}
export const deleteBody: typeof queries.deleteBody = {
  sql: 'delete from "blob_body" where "blob_id" = ?',
  values: [new Parameter('blob')],
  postgres: { name: 'garbage.deleteBody', sql: 'delete from "blob_body" where "blob_id" = $1' },
}
export const deleteLease: typeof queries.deleteLease = {
  sql: 'delete from "lease" where "name" = ? and "holder" = ?',
  values: [new Parameter('name'), new Parameter('holder')],
  postgres: { name: 'garbage.deleteLease', sql: 'delete from "lease" where "name" = $1 and "holder" = $2' },
}
export const deletePending: typeof queries.deletePending = {
  sql: 'delete from "pending_delete" where "data_key" = ?',
  values: [new Parameter('key')],
  postgres: { name: 'garbage.deletePending', sql: 'delete from "pending_delete" where "data_key" = $1' },
}
export const deleteRepository: typeof queries.deleteRepository = {
  sql: 'delete from "repository" where "id" = ?',
  values: [new Parameter('repository')],
  postgres: { name: 'garbage.deleteRepository', sql: 'delete from "repository" where "id" = $1' },
}
export const leaseByName: typeof queries.leaseByName = {
  sql: 'select "holder", "expires_at" from "lease" where "name" = ?',
  values: [new Parameter('name')],
  postgres: {
    name: 'garbage.leaseByName',
    sql: 'select "holder", "expires_at" from "lease" where "name" = $1',
  },
}
export const leaseToKeep: typeof queries.leaseToKeep = {
  sql: 'select "holder" from "lease" where "name" = ? ',
  values: [new Parameter('name')],
  postgres: { name: 'garbage.leaseToKeep', sql: 'select "holder" from "lease" where "name" = $1 for share' },
}
export const markBlob: typeof queries.markBlob = {
  sql: 'update "blob" set "state" = ?, "condemned_at" = ? where "id" = ?',
  values: ['condemned', new Parameter('now'), new Parameter('blob')],
  postgres: {
    name: 'garbage.markBlob',
    sql: 'update "blob" set "state" = $1, "condemned_at" = $2 where "id" = $3',
  },
}
export const markedBlobs: typeof queries.markedBlobs = {
  sql: 'select "id", "digest", "size", "data_key", "condemned_at" from "blob" where "condemned_at" < ? and "state" = ? and (condemned_at, id) > (?, ?) and not exists (select "link"."repository_id" from "repository_blob" as "link" where "link"."blob_id" = "blob"."id") order by "condemned_at", "id" limit ? + 0',
  values: [
    new Parameter('before'),
    'condemned',
    new Parameter('afterSince'),
    new Parameter('afterId'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'garbage.markedBlobs',
    sql: 'select "id", "digest", "size", "data_key", "condemned_at" from "blob" where "condemned_at" < $1 and "state" = $2 and (condemned_at, id) > ($3, $4) and not exists (select "link"."repository_id" from "repository_blob" as "link" where "link"."blob_id" = "blob"."id") order by "condemned_at", "id" limit $5',
  },
}
export const putLease: typeof queries.putLease = {
  sql: 'insert into "lease" ("name", "holder", "expires_at") values (?, ?, ?) on conflict ("name") do update set "holder" = ?, "expires_at" = ?',
  values: [
    new Parameter('name'),
    new Parameter('holder'),
    new Parameter('expires'),
    new Parameter('holder'),
    new Parameter('expires'),
  ],
  postgres: {
    name: 'garbage.putLease',
    sql: 'insert into "lease" ("name", "holder", "expires_at") values ($1, $2, $3) on conflict ("name") do update set "holder" = $4, "expires_at" = $5',
  },
}
export const repositoriesByUse: typeof queries.repositoriesByUse = {
  sql: 'select "id", "name", "vacated_at", exists (select 1 from past_manifest where past_manifest.repository_id = repository.id)\n        or exists (select 1 from past_tag where past_tag.repository_id = repository.id and removal is not null) as "remembered", created_at < ? and vacated_at is null\n        and not exists (select 1 from manifest where manifest.repository_id = repository.id)\n        and not exists (select 1 from repository_blob where repository_blob.repository_id = repository.id)\n        and not exists (select 1 from upload where upload.repository_id = repository.id) as "empty" from "repository" where "id" > ? order by "id" limit ? + 0',
  values: [new Parameter('before'), new Parameter('afterId'), new Parameter('limit')],
  postgres: {
    name: 'garbage.repositoriesByUse',
    sql: 'select "id", "name", "vacated_at", exists (select 1 from past_manifest where past_manifest.repository_id = repository.id)\n        or exists (select 1 from past_tag where past_tag.repository_id = repository.id and removal is not null) as "remembered", created_at < $1 and vacated_at is null\n        and not exists (select 1 from manifest where manifest.repository_id = repository.id)\n        and not exists (select 1 from repository_blob where repository_blob.repository_id = repository.id)\n        and not exists (select 1 from upload where upload.repository_id = repository.id) as "empty" from "repository" where "id" > $2 order by "id" limit $3',
  },
}
export const staleUploads: typeof queries.staleUploads = {
  sql: 'select "upload"."id", "upload"."data_key", "upload"."size", "upload"."touched_at", "repository"."name" from "upload" inner join "repository" on "repository"."id" = "upload"."repository_id" where "upload"."touched_at" < ? and "upload"."id" > ? and true order by "upload"."id" limit ? + 0',
  values: [new Parameter('before'), new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'garbage.staleUploads',
    sql: 'select "upload"."id", "upload"."data_key", "upload"."size", "upload"."touched_at", "repository"."name" from "upload" inner join "repository" on "repository"."id" = "upload"."repository_id" where "upload"."touched_at" < $1 and "upload"."id" > $2 and (upload.holder is null or upload.heard_at < clock_timestamp() - interval \'15 seconds\') order by "upload"."id" limit $3',
  },
}
export const unlinkedBlobs: typeof queries.unlinkedBlobs = {
  sql: 'select "id", "digest", "size", "unlinked_since" from "blob" where "unlinked_since" is not null and "state" = ? and (unlinked_since, id) > (?, ?) and not exists (select "link"."repository_id" from "repository_blob" as "link" where "link"."blob_id" = "blob"."id") order by "unlinked_since", "id" limit ? + 0',
  values: ['live', new Parameter('afterSince'), new Parameter('afterId'), new Parameter('limit')],
  postgres: {
    name: 'garbage.unlinkedBlobs',
    sql: 'select "id", "digest", "size", "unlinked_since" from "blob" where "unlinked_since" is not null and "state" = $1 and (unlinked_since, id) > ($2, $3) and not exists (select "link"."repository_id" from "repository_blob" as "link" where "link"."blob_id" = "blob"."id") order by "unlinked_since", "id" limit $4',
  },
}
export const unreferencedLinks: typeof queries.unreferencedLinks = {
  sql: 'select "link"."repository_id", "link"."blob_id", "link"."unreferenced_since", "repository"."name", "blob"."digest", "blob"."size", exists (select 1 from repository_blob as other where other.blob_id = blob.id and other.repository_id <> link.repository_id) as "elsewhere" from "repository_blob" as "link" inner join "repository" on "repository"."id" = "link"."repository_id" inner join "blob" on "blob"."id" = "link"."blob_id" where "link"."unreferenced_since" < ? and (link.unreferenced_since, link.repository_id, link.blob_id) > (?, ?, ?) and not exists (select "parent"."manifest_id" from "manifest_reference" as "parent" where "parent"."repository_id" = "link"."repository_id" and "parent"."child" = "blob"."digest") order by "link"."unreferenced_since", "link"."repository_id", "link"."blob_id" limit ? + 0',
  values: [
    new Parameter('before'),
    new Parameter('afterSince'),
    new Parameter('afterRepository'),
    new Parameter('afterId'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'garbage.unreferencedLinks',
    sql: 'select "link"."repository_id", "link"."blob_id", "link"."unreferenced_since", "repository"."name", "blob"."digest", "blob"."size", exists (select 1 from repository_blob as other where other.blob_id = blob.id and other.repository_id <> link.repository_id) as "elsewhere" from "repository_blob" as "link" inner join "repository" on "repository"."id" = "link"."repository_id" inner join "blob" on "blob"."id" = "link"."blob_id" where "link"."unreferenced_since" < $1 and (link.unreferenced_since, link.repository_id, link.blob_id) > ($2, $3, $4) and not exists (select "parent"."manifest_id" from "manifest_reference" as "parent" where "parent"."repository_id" = "link"."repository_id" and "parent"."child" = "blob"."digest") order by "link"."unreferenced_since", "link"."repository_id", "link"."blob_id" limit $5',
  },
}
export const untaggedManifests: typeof queries.untaggedManifests = {
  sql: 'select "id", "repository_id", "digest", "size", "untagged_since", (exists (select "parent"."manifest_id" from "manifest_reference" as "parent" where "parent"."repository_id" = "manifest"."repository_id" and "parent"."child" = "manifest"."digest") or exists (select "subject"."id" from "manifest" as "subject" where "subject"."repository_id" = "manifest"."repository_id" and "subject"."digest" = "manifest"."subject")) as "needed" from "manifest" where "repository_id" = (select id from repository where name = ?) and "untagged_since" < ? and (untagged_since, id) > (?, ?) order by "untagged_since", "id" limit ? + 0',
  values: [
    new Parameter('name'),
    new Parameter('before'),
    new Parameter('afterSince'),
    new Parameter('afterId'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'garbage.untaggedManifests',
    sql: 'select "id", "repository_id", "digest", "size", "untagged_since", (exists (select "parent"."manifest_id" from "manifest_reference" as "parent" where "parent"."repository_id" = "manifest"."repository_id" and "parent"."child" = "manifest"."digest") or exists (select "subject"."id" from "manifest" as "subject" where "subject"."repository_id" = "manifest"."repository_id" and "subject"."digest" = "manifest"."subject")) as "needed" from "manifest" where "repository_id" = (select id from repository where name = $1) and "untagged_since" < $2 and (untagged_since, id) > ($3, $4) order by "untagged_since", "id" limit $5',
  },
}

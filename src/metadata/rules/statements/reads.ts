// Made of ../queries/reads.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/reads.ts'

export const auditRecordsAfter: typeof queries.auditRecordsAfter = {
  sql: 'select "id" as "id", "note", "facts" from "outbox" where "id" > ? order by "id" limit ? + 0',
  values: [new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'reads.auditRecordsAfter',
    sql: 'select "place" as "id", "note", "facts" from "outbox" where "place" > $1 order by "place" limit $2',
  },
}
export const blobHolders: typeof queries.blobHolders = {
  sql: 'select "repository"."name" from "blob" inner join "repository_blob" on "repository_blob"."blob_id" = "blob"."id" inner join "repository" on "repository"."id" = "repository_blob"."repository_id" where "blob"."digest" = ? limit ? + 0',
  values: [new Parameter('digest'), new Parameter('limit')],
  postgres: {
    name: 'reads.blobHolders',
    sql: 'select "repository"."name" from "blob" inner join "repository_blob" on "repository_blob"."blob_id" = "blob"."id" inner join "repository" on "repository"."id" = "repository_blob"."repository_id" where "blob"."digest" = $1 limit $2',
  },
}
export const blobLink: typeof queries.blobLink = {
  sql: 'select "blob"."size", "repository_blob"."unreferenced_since" from "blob" inner join "repository_blob" on "repository_blob"."blob_id" = "blob"."id" where "repository_blob"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = ?) and "blob"."digest" = ?',
  values: [new Parameter('name'), new Parameter('digest')],
  postgres: {
    name: 'reads.blobLink',
    sql: 'select "blob"."size", "repository_blob"."unreferenced_since" from "blob" inner join "repository_blob" on "repository_blob"."blob_id" = "blob"."id" where "repository_blob"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = $1) and "blob"."digest" = $2',
  },
}
export const blobsAfter: typeof queries.blobsAfter = {
  sql: 'select "blob"."id", "blob"."digest", "blob"."size", "blob"."data_key", "blob"."twin", "blob_body"."body" from "blob" left join "blob_body" on "blob_body"."blob_id" = "blob"."id" where "blob"."id" > ? order by "blob"."id" limit ? + 0',
  values: [new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'reads.blobsAfter',
    sql: 'select "blob"."id", "blob"."digest", "blob"."size", "blob"."data_key", "blob"."twin", "blob_body"."body" from "blob" left join "blob_body" on "blob_body"."blob_id" = "blob"."id" where "blob"."id" > $1 order by "blob"."id" limit $2',
  },
}
export const counts: typeof queries.counts = {
  sql: 'select (select count(*) from repository where vacated_at is null) as "repositories", (select count(*) from manifest) as "manifests", (select count(*) from tag) as "tags", (select count(*) from blob) as "blobs", (select coalesce(sum(size), 0) from blob) as "bytes", (select count(*) from upload) as "uploads"',
  values: [],
  postgres: {
    name: 'reads.counts',
    sql: 'select (select count(*) from repository where vacated_at is null) as "repositories", (select count(*) from manifest) as "manifests", (select count(*) from tag) as "tags", (select count(*) from blob) as "blobs", (select coalesce(sum(size), 0) from blob) as "bytes", (select count(*) from upload) as "uploads"',
  },
}
export const denialsAfter: typeof queries.denialsAfter = {
  sql: 'select "id" as "id", "note", "facts" from "denial_outbox" where "id" > ? order by "id" limit ? + 0',
  values: [new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'reads.denialsAfter',
    sql: 'select "place" as "id", "note", "facts" from "denial_outbox" where "place" > $1 order by "place" limit $2',
  },
}
export const denialsSize: typeof queries.denialsSize = {
  sql: 'select coalesce((select max(id) from "denial_outbox") - (select min(id) from "denial_outbox") + 1, 0) as "rows", coalesce((select total from "denial_outbox" order by id desc limit 1) - (select total - length(coalesce(note, \'\')) - length(coalesce(facts, \'\')) from "denial_outbox" order by id limit 1), 0) as "bytes"',
  values: [],
  postgres: {
    name: 'reads.denialsSize',
    sql: 'select coalesce((select max(id) from "denial_outbox") - (select min(id) from "denial_outbox") + 1, 0) as "rows", coalesce((select total from "denial_outbox" order by id desc limit 1) - (select total - length(coalesce(note, \'\')) - length(coalesce(facts, \'\')) from "denial_outbox" order by id limit 1), 0) as "bytes"',
  },
}
export const indexedAfter: typeof queries.indexedAfter = {
  sql: 'select "entry"."child", "manifest"."digest", "manifest"."media_type", "manifest"."size", "manifest"."artifact_type", "manifest"."annotations" from "manifest_reference" as "entry" left join "manifest" on "manifest"."repository_id" = "entry"."repository_id" and "manifest"."digest" = "entry"."child" and (? is null or manifest.artifact_type = ? collate nocase) where "entry"."manifest_id" = (select "listing"."id" from "tag" inner join "manifest" as "listing" on "listing"."id" = "tag"."manifest_id" where "tag"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = ?) and "tag"."name" = ? and "listing"."media_type" in (?, ?)) and entry.repository_id = (select "repository"."id" from "repository" where "repository"."name" = ?) and "entry"."child" > ? order by "entry"."child" limit ? + 0',
  values: [
    new Parameter('artifactType'),
    new Parameter('artifactType'),
    new Parameter('name'),
    new Parameter('tag'),
    'application/vnd.oci.image.index.v1+json',
    'application/vnd.docker.distribution.manifest.list.v2+json',
    new Parameter('name'),
    new Parameter('after'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'reads.indexedAfter',
    sql: 'select "entry"."child", "manifest"."digest", "manifest"."media_type", "manifest"."size", "manifest"."artifact_type", "manifest"."annotations" from "manifest_reference" as "entry" left join "manifest" on "manifest"."repository_id" = "entry"."repository_id" and "manifest"."digest" = "entry"."child" and (cast($1 as text) is null or lower(manifest.artifact_type) = lower(cast($2 as text) collate "C")) where "entry"."manifest_id" = (select "listing"."id" from "tag" inner join "manifest" as "listing" on "listing"."id" = "tag"."manifest_id" where "tag"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = $3) and "tag"."name" = $4 and "listing"."media_type" in ($5, $6)) and true and "entry"."child" > $7 order by "entry"."child" limit $8',
    values: [
      new Parameter('artifactType'),
      new Parameter('artifactType'),
      new Parameter('name'),
      new Parameter('tag'),
      'application/vnd.oci.image.index.v1+json',
      'application/vnd.docker.distribution.manifest.list.v2+json',
      new Parameter('after'),
      new Parameter('limit'),
    ],
  },
}
export const keyInUse: typeof queries.keyInUse = {
  sql: 'select exists (select 1 from blob where data_key = ?) or exists (select 1 from upload where data_key = ?) or exists (select 1 from pending_delete where data_key = ?) as "used"',
  values: [new Parameter('key'), new Parameter('key'), new Parameter('key')],
  postgres: {
    name: 'reads.keyInUse',
    sql: 'select exists (select 1 from blob where data_key = $1) or exists (select 1 from upload where data_key = $2) or exists (select 1 from pending_delete where data_key = $3) as "used"',
  },
}
export const linkedBlob: typeof queries.linkedBlob = {
  sql: 'select "blob"."size", "repository_blob"."unreferenced_since", "blob"."data_key", "blob_body"."body" from "blob" inner join "repository_blob" on "repository_blob"."blob_id" = "blob"."id" left join "blob_body" on "blob_body"."blob_id" = "blob"."id" where "repository_blob"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = ?) and "blob"."digest" = ?',
  values: [new Parameter('name'), new Parameter('digest')],
  postgres: {
    name: 'reads.linkedBlob',
    sql: 'select "blob"."size", "repository_blob"."unreferenced_since", "blob"."data_key", "blob_body"."body" from "blob" inner join "repository_blob" on "repository_blob"."blob_id" = "blob"."id" left join "blob_body" on "blob_body"."blob_id" = "blob"."id" where "repository_blob"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = $1) and "blob"."digest" = $2',
  },
}
export const loginSources: typeof queries.loginSources = {
  sql: 'select "name", "network", "seen_at" from "login_source" order by "seen_at" desc limit ? + 0',
  values: [new Parameter('limit')],
  postgres: {
    name: 'reads.loginSources',
    sql: 'select "name", "network", "seen_at" from "login_source" order by "seen_at" desc limit $1',
  },
}
export const manifestByDigest: typeof queries.manifestByDigest = {
  sql: 'select "manifest"."digest", "manifest"."media_type", "manifest_body"."body" from "repository" inner join "manifest" on "manifest"."repository_id" = "repository"."id" inner join "manifest_body" on "manifest_body"."manifest_id" = "manifest"."id" where "repository"."name" = ? and "manifest"."digest" = ?',
  values: [new Parameter('name'), new Parameter('digest')],
  postgres: {
    name: 'reads.manifestByDigest',
    sql: 'select "manifest"."digest", "manifest"."media_type", "manifest_body"."body" from "repository" inner join "manifest" on "manifest"."repository_id" = "repository"."id" inner join "manifest_body" on "manifest_body"."manifest_id" = "manifest"."id" where "repository"."name" = $1 and "manifest"."digest" = $2',
  },
}
export const manifestByTag: typeof queries.manifestByTag = {
  sql: 'select "manifest"."digest", "manifest"."media_type", "manifest_body"."body" from "repository" inner join "tag" on "tag"."repository_id" = "repository"."id" inner join "manifest" on "manifest"."id" = "tag"."manifest_id" inner join "manifest_body" on "manifest_body"."manifest_id" = "manifest"."id" where "repository"."name" = ? and "tag"."name" = ?',
  values: [new Parameter('name'), new Parameter('tag')],
  postgres: {
    name: 'reads.manifestByTag',
    sql: 'select "manifest"."digest", "manifest"."media_type", "manifest_body"."body" from "repository" inner join "tag" on "tag"."repository_id" = "repository"."id" inner join "manifest" on "manifest"."id" = "tag"."manifest_id" inner join "manifest_body" on "manifest_body"."manifest_id" = "manifest"."id" where "repository"."name" = $1 and "tag"."name" = $2',
  },
}
export const manifestsAfter: typeof queries.manifestsAfter = {
  sql: 'select "manifest"."id", "manifest"."repository_id", "repository"."name", "manifest"."digest", "manifest"."media_type", "manifest"."size", "manifest_body"."body" from "manifest" inner join "repository" on "repository"."id" = "manifest"."repository_id" inner join "manifest_body" on "manifest_body"."manifest_id" = "manifest"."id" where "manifest"."id" > ? order by "manifest"."id" limit ? + 0',
  values: [new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'reads.manifestsAfter',
    sql: 'select "manifest"."id", "manifest"."repository_id", "repository"."name", "manifest"."digest", "manifest"."media_type", "manifest"."size", "manifest_body"."body" from "manifest" inner join "repository" on "repository"."id" = "manifest"."repository_id" inner join "manifest_body" on "manifest_body"."manifest_id" = "manifest"."id" where "manifest"."id" > $1 order by "manifest"."id" limit $2',
  },
}
export const missingChildren: typeof queries.missingChildren = {
  sql: 'select "reference"."child" from "manifest_reference" as "reference" where "reference"."manifest_id" = ? and "reference"."required" = ? and not exists (select 1 from manifest as child where child.repository_id = reference.repository_id and child.digest = reference.child) and (reference.kind = \'manifest\' or not exists (select 1 from blob join repository_blob as link on link.blob_id = blob.id where blob.digest = reference.child and link.repository_id = reference.repository_id))',
  values: [new Parameter('manifest'), 1],
  postgres: {
    name: 'reads.missingChildren',
    sql: 'select "reference"."child" from "manifest_reference" as "reference" where "reference"."manifest_id" = $1 and "reference"."required" = $2 and not exists (select 1 from manifest as child where child.repository_id = reference.repository_id and child.digest = reference.child) and (reference.kind = \'manifest\' or not exists (select 1 from blob join repository_blob as link on link.blob_id = blob.id where blob.digest = reference.child and link.repository_id = reference.repository_id))',
  },
}
export const outboxSize: typeof queries.outboxSize = {
  sql: 'select coalesce((select max(id) from "outbox") - (select min(id) from "outbox") + 1, 0) as "rows", coalesce((select total from "outbox" order by id desc limit 1) - (select total - length(coalesce(note, \'\')) - length(coalesce(facts, \'\')) from "outbox" order by id limit 1), 0) as "bytes"',
  values: [],
  postgres: {
    name: 'reads.outboxSize',
    sql: 'select coalesce((select max(id) from "outbox") - (select min(id) from "outbox") + 1, 0) as "rows", coalesce((select total from "outbox" order by id desc limit 1) - (select total - length(coalesce(note, \'\')) - length(coalesce(facts, \'\')) from "outbox" order by id limit 1), 0) as "bytes"',
  },
}
export const pendingDeletes: typeof queries.pendingDeletes = {
  sql: 'select "data_key" from "pending_delete" where "since" <= ? and not exists (select 1 from blob where blob.data_key = pending_delete.data_key) order by "since" limit ? + 0',
  values: [new Parameter('before'), new Parameter('limit')],
  postgres: {
    name: 'reads.pendingDeletes',
    sql: 'select "data_key" from "pending_delete" where "since" <= $1 and not exists (select 1 from blob where blob.data_key = pending_delete.data_key) order by "since" limit $2',
  },
}
export const referrersAfter: typeof queries.referrersAfter = {
  sql: 'select "manifest"."digest", "manifest"."media_type", "manifest"."size", "manifest"."artifact_type", "manifest"."annotations" from "manifest" where "manifest"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = ?) and "manifest"."subject" = ? and "manifest"."digest" > ? order by "manifest"."digest" limit ? + 0',
  values: [new Parameter('name'), new Parameter('subject'), new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'reads.referrersAfter',
    sql: 'select "manifest"."digest", "manifest"."media_type", "manifest"."size", "manifest"."artifact_type", "manifest"."annotations" from "manifest" where "manifest"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = $1) and "manifest"."subject" = $2 and "manifest"."digest" > $3 order by "manifest"."digest" limit $4',
  },
}
export const referrersOfTypeAfter: typeof queries.referrersOfTypeAfter = {
  sql: 'select "manifest"."digest", "manifest"."media_type", "manifest"."size", "manifest"."artifact_type", "manifest"."annotations" from "manifest" where "manifest"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = ?) and "manifest"."subject" = ? and "manifest"."digest" > ? and manifest.artifact_type = ? collate nocase order by "manifest"."digest" limit ? + 0',
  values: [
    new Parameter('name'),
    new Parameter('subject'),
    new Parameter('after'),
    new Parameter('artifactType'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'reads.referrersOfTypeAfter',
    sql: 'select "manifest"."digest", "manifest"."media_type", "manifest"."size", "manifest"."artifact_type", "manifest"."annotations" from "manifest" where "manifest"."repository_id" = (select "repository"."id" from "repository" where "repository"."name" = $1) and "manifest"."subject" = $2 and "manifest"."digest" > $3 and lower(manifest.artifact_type) = lower(cast($4 as text) collate "C") order by "manifest"."digest" limit $5',
  },
}
export const repositoriesAfter: typeof queries.repositoriesAfter = {
  sql: 'select "name", exists (select 1 from manifest where manifest.repository_id = repository.id) as "used" from "repository" where "name" > ? order by "name" limit ? + 0',
  values: [new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'reads.repositoriesAfter',
    sql: 'select "name", exists (select 1 from manifest where manifest.repository_id = repository.id) as "used" from "repository" where "name" > $1 order by "name" limit $2',
  },
}
export const robotByName: typeof queries.robotByName = {
  sql: 'select "name", "description", "secret_hash", "credential_id", "grants", "created_at", "expires_at" from "robot" where "name" = ?',
  values: [new Parameter('name')],
  postgres: {
    name: 'reads.robotByName',
    sql: 'select "name", "description", "secret_hash", "credential_id", "grants", "created_at", "expires_at" from "robot" where "name" = $1',
  },
}
export const robots: typeof queries.robots = {
  sql: 'select "name", "description", "secret_hash", "credential_id", "grants", "created_at", "expires_at" from "robot" order by "name"',
  values: [],
  postgres: {
    name: 'reads.robots',
    sql: 'select "name", "description", "secret_hash", "credential_id", "grants", "created_at", "expires_at" from "robot" order by "name"',
  },
}
export const signingKeys: typeof queries.signingKeys = {
  sql: 'select "id", "private_key", "created_at" from "signing_key" order by "created_at" desc, "id"',
  values: [],
  postgres: {
    name: 'reads.signingKeys',
    sql: 'select "id", "private_key", "created_at" from "signing_key" order by "created_at" desc, "id"',
  },
}
export const storedBlobs: typeof queries.storedBlobs = {
  sql: 'select "id", "digest", "size", "data_key" from "blob" where "data_key" is not null and "id" > ? order by "id" limit ? + 0',
  values: [new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'reads.storedBlobs',
    sql: 'select "id", "digest", "size", "data_key" from "blob" where "data_key" is not null and "id" > $1 order by "id" limit $2',
  },
}
export const tagsAfter: typeof queries.tagsAfter = {
  sql: 'select "name" from "tag" where "repository_id" = ? and "name" > ? order by "name" limit ? + 0',
  values: [new Parameter('repository'), new Parameter('after'), new Parameter('limit')],
  postgres: {
    name: 'reads.tagsAfter',
    sql: 'select "name" from "tag" where "repository_id" = $1 and "name" > $2 order by "name" limit $3',
  },
}
export const uploadById: typeof queries.uploadById = {
  sql: 'select "upload"."algorithm", "upload"."data_key", "upload"."parts", "upload"."size", "upload"."inline_bytes", "upload"."hash_state", "upload"."digest", "upload"."cut_from", "upload"."started_at", "upload"."touched_at" from "upload" inner join "repository" on "repository"."id" = "upload"."repository_id" where "upload"."id" = ? and "repository"."name" = ?',
  values: [new Parameter('id'), new Parameter('name')],
  postgres: {
    name: 'reads.uploadById',
    sql: 'select "upload"."algorithm", "upload"."data_key", "upload"."parts", "upload"."size", "upload"."inline_bytes", "upload"."hash_state", "upload"."digest", "upload"."cut_from", "upload"."started_at", "upload"."touched_at" from "upload" inner join "repository" on "repository"."id" = "upload"."repository_id" where "upload"."id" = $1 and "repository"."name" = $2',
  },
}

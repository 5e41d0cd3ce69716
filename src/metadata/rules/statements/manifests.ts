// Made of ../queries/manifests.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/manifests.ts'

export const firstChildrenOf: typeof queries.firstChildrenOf = {
  sql: 'select "child", case when kind <> \'manifest\' or exists (select 1 from blob where digest = child) then 1 else 0 end as "linked" from "manifest_reference" where "manifest_id" = ? limit ? + 0',
  values: [new Parameter('manifest'), new Parameter('limit')],
  postgres: {
    name: 'manifests.firstChildrenOf',
    sql: 'select "child", case when kind <> \'manifest\' or exists (select 1 from blob where digest = child) then 1 else 0 end as "linked" from "manifest_reference" where "manifest_id" = $1 limit $2',
  },
}
export const insertBody: typeof queries.insertBody = {
  sql: 'insert into "manifest_body" ("manifest_id", "body") values (?, ?)',
  values: [new Parameter('manifest'), new Parameter('body')],
  postgres: {
    name: 'manifests.insertBody',
    sql: 'insert into "manifest_body" ("manifest_id", "body") values ($1, $2)',
  },
}
export const insertManifest: typeof queries.insertManifest = {
  sql: 'insert into "manifest" ("id", "repository_id", "digest", "media_type", "artifact_type", "subject", "size", "annotations", "pushed_at", "untagged_since", "first_seen", "seen_at_latest", "pusher") values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  values: [
    new Parameter('id'),
    new Parameter('repository'),
    new Parameter('digest'),
    new Parameter('mediaType'),
    new Parameter('artifactType'),
    new Parameter('subject'),
    new Parameter('size'),
    new Parameter('annotations'),
    new Parameter('now'),
    new Parameter('untaggedSince'),
    new Parameter('firstSeen'),
    new Parameter('atLatest'),
    new Parameter('pusher'),
  ],
  postgres: {
    name: 'manifests.insertManifest',
    sql: 'insert into "manifest" ("id", "repository_id", "digest", "media_type", "artifact_type", "subject", "size", "annotations", "pushed_at", "untagged_since", "first_seen", "seen_at_latest", "pusher") overriding system value values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)',
  },
}
export const insertReference: typeof queries.insertReference = {
  sql: 'insert into "manifest_reference" ("repository_id", "child", "manifest_id", "kind", "required") values (?, ?, ?, ?, ?) on conflict do nothing',
  values: [
    new Parameter('repository'),
    new Parameter('child'),
    new Parameter('manifest'),
    new Parameter('kind'),
    new Parameter('required'),
  ],
  postgres: {
    name: 'manifests.insertReference',
    sql: 'insert into "manifest_reference" ("repository_id", "child", "manifest_id", "kind", "required") values ($1, $2, $3, $4, $5) on conflict do nothing',
  },
}
export const insertReferences: typeof queries.insertReferences = {
  sql: 'insert into "manifest_reference" ("repository_id", "child", "manifest_id", "kind", "required") select ? as "repository_id", listed.value ->> 0 as "child", ? as "manifest_id", listed.value ->> 1 as "kind", listed.value ->> 2 as "required" from json_each(?) as "listed" where true on conflict do nothing',
  values: [new Parameter('repository'), new Parameter('manifest'), new Parameter('list')],
  postgres: {
    name: 'manifests.insertReferences',
    sql: 'insert into "manifest_reference" ("repository_id", "child", "manifest_id", "kind", "required") select cast($1 as bigint) as "repository_id", listed.value ->> 0 as "child", cast($2 as bigint) as "manifest_id", listed.value ->> 1 as "kind", cast(listed.value ->> 2 as integer) as "required" from jsonb_array_elements(cast($3 as jsonb)) as "listed" where true on conflict do nothing',
  },
}
export const linkedAmong: typeof queries.linkedAmong = {
  sql: 'select "blob"."id", "blob"."digest", "blob"."size", "repository_blob"."unreferenced_since" from json_each(?) as "listed" cross join "blob" cross join "repository_blob" where "blob"."digest" = "listed"."value" and "repository_blob"."blob_id" = "blob"."id" and "repository_blob"."repository_id" = (select id from repository where name = ?)',
  values: [new Parameter('list'), new Parameter('name')],
  postgres: {
    name: 'manifests.linkedAmong',
    sql: 'select "blob"."id", "blob"."digest", "blob"."size", "repository_blob"."unreferenced_since" from (select value from jsonb_array_elements_text(cast($1 as jsonb)) where value collate "C" > \'\' and value collate "C" < \'~\') as "listed" cross join "blob" cross join "repository_blob" where "blob"."digest" = "listed"."value" and "repository_blob"."blob_id" = "blob"."id" and "repository_blob"."repository_id" = (select id from repository where name = $2)',
  },
}
export const linkedBlob: typeof queries.linkedBlob = {
  sql: 'select "blob"."id", "blob"."digest", "blob"."size", "repository_blob"."unreferenced_since" from "blob" inner join "repository_blob" on "repository_blob"."blob_id" = "blob"."id" where "blob"."digest" = ? and "repository_blob"."repository_id" = (select id from repository where name = ?)',
  values: [new Parameter('digest'), new Parameter('name')],
  postgres: {
    name: 'manifests.linkedBlob',
    sql: 'select "blob"."id", "blob"."digest", "blob"."size", "repository_blob"."unreferenced_since" from "blob" inner join "repository_blob" on "repository_blob"."blob_id" = "blob"."id" where "blob"."digest" = $1 and "repository_blob"."repository_id" = (select id from repository where name = $2)',
  },
}
export const manifestByDigest: typeof queries.manifestByDigest = {
  sql: 'select "id", "repository_id", "untagged_since", "digest", "size", "media_type", "artifact_type", "subject" from "manifest" where "repository_id" = (select id from repository where name = ?) and "digest" = ?',
  values: [new Parameter('name'), new Parameter('digest')],
  postgres: {
    name: 'manifests.manifestByDigest',
    sql: 'select "id", "repository_id", "untagged_since", "digest", "size", "media_type", "artifact_type", "subject" from "manifest" where "repository_id" = (select id from repository where name = $1) and "digest" = $2',
  },
}
export const manifestById: typeof queries.manifestById = {
  sql: 'select "digest", "size", "media_type", "artifact_type", "subject" from "manifest" where "id" = ?',
  values: [new Parameter('manifest')],
  postgres: {
    name: 'manifests.manifestById',
    sql: 'select "digest", "size", "media_type", "artifact_type", "subject" from "manifest" where "id" = $1',
  },
}
export const manifestEver: typeof queries.manifestEver = {
  sql: 'select id as "id", "media_type", "untagged_since", "first_seen", "seen_at_latest", "pusher" from "manifest" where "repository_id" = (select id from repository where name = ?) and "digest" = ? union all select null as "id", \'\' as "media_type", null as "untagged_since", "first_seen", "seen_at_latest", "pusher" from "past_manifest" where "repository_id" = (select id from repository where name = ?) and "digest" = ?',
  values: [new Parameter('name'), new Parameter('digest'), new Parameter('name'), new Parameter('digest')],
  postgres: {
    name: 'manifests.manifestEver',
    sql: 'select id as "id", "media_type", "untagged_since", "first_seen", "seen_at_latest", "pusher" from "manifest" where "repository_id" = (select id from repository where name = $1) and "digest" = $2 union all select null as "id", \'\' as "media_type", null as "untagged_since", "first_seen", "seen_at_latest", "pusher" from "past_manifest" where "repository_id" = (select id from repository where name = $3) and "digest" = $4',
  },
}
export const manifestsAmong: typeof queries.manifestsAmong = {
  sql: 'select "manifest"."digest", "manifest"."size" from json_each(?) as "listed" cross join "manifest" where "manifest"."digest" = "listed"."value" and "manifest"."repository_id" = (select id from repository where name = ?)',
  values: [new Parameter('list'), new Parameter('name')],
  postgres: {
    name: 'manifests.manifestsAmong',
    sql: 'select "manifest"."digest", "manifest"."size" from (select value from jsonb_array_elements_text(cast($1 as jsonb)) where value collate "C" > \'\' and value collate "C" < \'~\') as "listed" cross join "manifest" where "manifest"."digest" = "listed"."value" and "manifest"."repository_id" = (select id from repository where name = $2)',
  },
}
export const noteUnreferencedAmong: typeof queries.noteUnreferencedAmong = {
  sql: 'update "repository_blob" set "unreferenced_since" = ? where "repository_id" = ? and "blob_id" in (select "blob"."id" from json_each(?) as "listed" cross join "blob" where "blob"."digest" = "listed"."value" and not exists (select 1 from manifest_reference where repository_id = ? and child = "listed"."value"))',
  values: [
    new Parameter('now'),
    new Parameter('repository'),
    new Parameter('list'),
    new Parameter('repository'),
  ],
  postgres: {
    name: 'manifests.noteUnreferencedAmong',
    sql: 'update "repository_blob" set "unreferenced_since" = $1 where "repository_id" = $2 and "blob_id" in (select "blob"."id" from (select value from jsonb_array_elements_text(cast($3 as jsonb)) where value collate "C" > \'\' and value collate "C" < \'~\') as "listed" cross join "blob" where "blob"."digest" = "listed"."value" and not exists (select 1 from manifest_reference where repository_id = $4 and child = "listed"."value"))',
  },
}
export const noteUntagged: typeof queries.noteUntagged = {
  sql: 'update "manifest" set "untagged_since" = ? where "id" = ? and not exists (select 1 from tag where manifest_id = ?)',
  values: [new Parameter('now'), new Parameter('manifest'), new Parameter('manifest')],
  postgres: {
    name: 'manifests.noteUntagged',
    sql: 'update "manifest" set "untagged_since" = $1 where "id" = $2 and not exists (select 1 from tag where manifest_id = $3)',
  },
}
export const referrersOfAfter: typeof queries.referrersOfAfter = {
  sql: 'select "digest" from "manifest" where "repository_id" = ? and "subject" = ? and "digest" > ? order by "digest" limit ? + 0',
  values: [
    new Parameter('repository'),
    new Parameter('subject'),
    new Parameter('after'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'manifests.referrersOfAfter',
    sql: 'select "digest" from "manifest" where "repository_id" = $1 and "subject" = $2 and "digest" > $3 order by "digest" limit $4',
  },
}
export const removeBody: typeof queries.removeBody = {
  sql: 'delete from "manifest_body" where "manifest_id" = ?',
  values: [new Parameter('manifest')],
  postgres: { name: 'manifests.removeBody', sql: 'delete from "manifest_body" where "manifest_id" = $1' },
}
export const removeManifest: typeof queries.removeManifest = {
  sql: 'delete from "manifest" where "id" = ?',
  values: [new Parameter('manifest')],
  postgres: { name: 'manifests.removeManifest', sql: 'delete from "manifest" where "id" = $1' },
}
export const removeReferences: typeof queries.removeReferences = {
  sql: 'delete from "manifest_reference" where "repository_id" = ? and "manifest_id" = ? and "child" in (select "listed"."value" from json_each(?) as "listed")',
  values: [new Parameter('repository'), new Parameter('manifest'), new Parameter('list')],
  postgres: {
    name: 'manifests.removeReferences',
    sql: 'delete from "manifest_reference" where "repository_id" = $1 and "manifest_id" = $2 and "child" in (select "listed"."value" from (select value from jsonb_array_elements_text(cast($3 as jsonb)) where value collate "C" > \'\' and value collate "C" < \'~\') as "listed")',
  },
}
export const removeReferencesOf: typeof queries.removeReferencesOf = {
  sql: 'delete from "manifest_reference" where "manifest_id" = ?',
  values: [new Parameter('manifest')],
  postgres: {
    name: 'manifests.removeReferencesOf',
    sql: 'delete from "manifest_reference" where "manifest_id" = $1',
  },
}
export const removeTags: typeof queries.removeTags = {
  sql: 'delete from "tag" where "repository_id" = ? and "name" in (select "listed"."value" from json_each(?) as "listed")',
  values: [new Parameter('repository'), new Parameter('list')],
  postgres: {
    name: 'manifests.removeTags',
    sql: 'delete from "tag" where "repository_id" = $1 and "name" in (select "listed"."value" from (select value from jsonb_array_elements_text(cast($2 as jsonb)) where value collate "C" > \'\' and value collate "C" < \'~\') as "listed")',
  },
}
export const renewOrphansAmong: typeof queries.renewOrphansAmong = {
  sql: 'update "manifest" set "untagged_since" = ? where "repository_id" = ? and +untagged_since is not null and "digest" in (select "listed"."value" from json_each(?) as "listed" where not exists (select 1 from manifest_reference where repository_id = ? and child = "listed"."value"))',
  values: [
    new Parameter('now'),
    new Parameter('repository'),
    new Parameter('list'),
    new Parameter('repository'),
  ],
  postgres: {
    name: 'manifests.renewOrphansAmong',
    sql: 'update "manifest" set "untagged_since" = $1 where "repository_id" = $2 and +untagged_since is not null and "digest" in (select "listed"."value" from (select value from jsonb_array_elements_text(cast($3 as jsonb)) where value collate "C" > \'\' and value collate "C" < \'~\') as "listed" where not exists (select 1 from manifest_reference where repository_id = $4 and child = "listed"."value"))',
  },
}
export const renewUntaggedAmong: typeof queries.renewUntaggedAmong = {
  sql: 'update "manifest" set "untagged_since" = ? where "repository_id" = ? and +untagged_since is not null and "digest" in (select "listed"."value" from json_each(?) as "listed")',
  values: [new Parameter('now'), new Parameter('repository'), new Parameter('list')],
  postgres: {
    name: 'manifests.renewUntaggedAmong',
    sql: 'update "manifest" set "untagged_since" = $1 where "repository_id" = $2 and +untagged_since is not null and "digest" in (select "listed"."value" from (select value from jsonb_array_elements_text(cast($3 as jsonb)) where value collate "C" > \'\' and value collate "C" < \'~\') as "listed")',
  },
}
export const setReferencedAmong: typeof queries.setReferencedAmong = {
  sql: 'update "repository_blob" set "unreferenced_since" = ? where "repository_id" = ? and "blob_id" in (select listed.value as "id" from json_each(?) as "listed")',
  values: [new Parameter('since'), new Parameter('repository'), new Parameter('list')],
  postgres: {
    name: 'manifests.setReferencedAmong',
    sql: 'update "repository_blob" set "unreferenced_since" = $1 where "repository_id" = $2 and "blob_id" in (select cast(listed.value as bigint) as "id" from (select value from jsonb_array_elements_text(cast($3 as jsonb)) where value collate "C" > \'\' and value collate "C" < \'~\') as "listed")',
  },
}
export const setUntagged: typeof queries.setUntagged = {
  sql: 'update "manifest" set "untagged_since" = ? where "id" = ?',
  values: [new Parameter('since'), new Parameter('manifest')],
  postgres: {
    name: 'manifests.setUntagged',
    sql: 'update "manifest" set "untagged_since" = $1 where "id" = $2',
  },
}
export const updateMediaType: typeof queries.updateMediaType = {
  sql: 'update "manifest" set "media_type" = ?, "pushed_at" = ? where "id" = ?',
  values: [new Parameter('mediaType'), new Parameter('now'), new Parameter('manifest')],
  postgres: {
    name: 'manifests.updateMediaType',
    sql: 'update "manifest" set "media_type" = $1, "pushed_at" = $2 where "id" = $3',
  },
}

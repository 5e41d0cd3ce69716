// Made of ../queries/manifests.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/manifests.ts'

export const anyTagOf: typeof queries.anyTagOf = {
  sql: 'select "name" from "tag" where "manifest_id" = ? limit ? + 0',
  values: [new Parameter('manifest'), 1],
}
export const digestOfTag: typeof queries.digestOfTag = {
  sql: 'select "manifest"."digest" from "tag" inner join "manifest" on "manifest"."id" = "tag"."manifest_id" where "tag"."repository_id" = ? and "tag"."name" = ?',
  values: [new Parameter('repository'), new Parameter('tag')],
}
export const firstChildrenOf: typeof queries.firstChildrenOf = {
  sql: 'select "child" from "manifest_reference" where "manifest_id" = ? limit ? + 0',
  values: [new Parameter('manifest'), new Parameter('limit')],
}
export const firstTagsOf: typeof queries.firstTagsOf = {
  sql: 'select "name" from "tag" where "manifest_id" = ? order by "name" limit ? + 0',
  values: [new Parameter('manifest'), new Parameter('limit')],
}
export const insertBody: typeof queries.insertBody = {
  sql: 'insert into "manifest_body" ("manifest_id", "body") values (?, ?)',
  values: [new Parameter('manifest'), new Parameter('body')],
}
export const insertManifest: typeof queries.insertManifest = {
  sql: 'insert into "manifest" ("repository_id", "digest", "media_type", "artifact_type", "subject", "size", "annotations", "pushed_at", "untagged_since", "first_seen", "seen_at_latest", "pusher") values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  values: [
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
}
export const insertReferences: typeof queries.insertReferences = {
  sql: 'insert into "manifest_reference" ("repository_id", "child", "manifest_id", "kind", "required") select ? as "repository_id", listed.value ->> 0 as "child", ? as "manifest_id", listed.value ->> 1 as "kind", listed.value ->> 2 as "required" from json_each(?) as "listed" where true on conflict do nothing',
  values: [new Parameter('repository'), new Parameter('manifest'), new Parameter('list')],
}
export const insertTag: typeof queries.insertTag = {
  sql: 'insert into "tag" ("repository_id", "name", "manifest_id", "updated_at", "since", "pusher") values (?, ?, ?, ?, max(?, coalesce((select past.until from past_tag as past\n      where past.repository_id = ? and past.name = ?\n      order by past.sequence desc limit 1), 0)), ?)',
  values: [
    new Parameter('repository'),
    new Parameter('tag'),
    new Parameter('manifest'),
    new Parameter('now'),
    new Parameter('now'),
    new Parameter('repository'),
    new Parameter('tag'),
    new Parameter('pusher'),
  ],
}
export const linkedAmong: typeof queries.linkedAmong = {
  sql: 'select "blob"."id", "blob"."digest", "blob"."size", "repository_blob"."unreferenced_since" from json_each(?) as "listed" cross join "blob" cross join "repository_blob" where "blob"."digest" = "listed"."value" and "repository_blob"."blob_id" = "blob"."id" and "repository_blob"."repository_id" = ?',
  values: [new Parameter('list'), new Parameter('repository')],
}
export const linkedBlob: typeof queries.linkedBlob = {
  sql: 'select "blob"."id", "blob"."digest", "blob"."size", "repository_blob"."unreferenced_since" from "blob" inner join "repository_blob" on "repository_blob"."blob_id" = "blob"."id" where "blob"."digest" = ? and "repository_blob"."repository_id" = ?',
  values: [new Parameter('digest'), new Parameter('repository')],
}
export const manifestByDigest: typeof queries.manifestByDigest = {
  sql: 'select "id", "media_type", "untagged_since" from "manifest" where "repository_id" = ? and "digest" = ?',
  values: [new Parameter('repository'), new Parameter('digest')],
}
export const manifestById: typeof queries.manifestById = {
  sql: 'select "digest", "size", "media_type", "artifact_type", "subject" from "manifest" where "id" = ?',
  values: [new Parameter('manifest')],
}
export const manifestsAmong: typeof queries.manifestsAmong = {
  sql: 'select "manifest"."digest", "manifest"."size" from json_each(?) as "listed" cross join "manifest" where "manifest"."digest" = "listed"."value" and "manifest"."repository_id" = ?',
  values: [new Parameter('list'), new Parameter('repository')],
}
export const moveTag: typeof queries.moveTag = {
  sql: 'update "tag" set "manifest_id" = ?, "updated_at" = ?, "since" = max(since, ?), "since_at_latest" = ?, "pusher" = ? where "repository_id" = ? and "name" = ?',
  values: [
    new Parameter('manifest'),
    new Parameter('now'),
    new Parameter('now'),
    0,
    new Parameter('pusher'),
    new Parameter('repository'),
    new Parameter('tag'),
  ],
}
export const orphansAmong: typeof queries.orphansAmong = {
  sql: 'select "listed"."value" from json_each(?) as "listed" where not exists (select 1 from manifest_reference where repository_id = ? and child = listed.value)',
  values: [new Parameter('list'), new Parameter('repository')],
}
export const referrersOfAfter: typeof queries.referrersOfAfter = {
  sql: 'select "digest" from "manifest" where "repository_id" = ? and "subject" = ? and "digest" > ? order by "digest" limit ? + 0',
  values: [
    new Parameter('repository'),
    new Parameter('subject'),
    new Parameter('after'),
    new Parameter('limit'),
  ],
}
export const removeBody: typeof queries.removeBody = {
  sql: 'delete from "manifest_body" where "manifest_id" = ?',
  values: [new Parameter('manifest')],
}
export const removeManifest: typeof queries.removeManifest = {
  sql: 'delete from "manifest" where "id" = ?',
  values: [new Parameter('manifest')],
}
export const removeReferences: typeof queries.removeReferences = {
  sql: 'delete from "manifest_reference" where "repository_id" = ? and "manifest_id" = ? and "child" in (select "listed"."value" from json_each(?) as "listed")',
  values: [new Parameter('repository'), new Parameter('manifest'), new Parameter('list')],
}
export const removeTag: typeof queries.removeTag = {
  sql: 'delete from "tag" where "repository_id" = ? and "name" = ?',
  values: [new Parameter('repository'), new Parameter('tag')],
}
export const removeTags: typeof queries.removeTags = {
  sql: 'delete from "tag" where "repository_id" = ? and "name" in (select "listed"."value" from json_each(?) as "listed")',
  values: [new Parameter('repository'), new Parameter('list')],
}
export const renewTag: typeof queries.renewTag = {
  sql: 'update "tag" set "updated_at" = ? where "repository_id" = ? and "name" = ?',
  values: [new Parameter('now'), new Parameter('repository'), new Parameter('tag')],
}
export const renewUntaggedAmong: typeof queries.renewUntaggedAmong = {
  sql: 'update "manifest" set "untagged_since" = ? where "repository_id" = ? and "digest" in (select "listed"."value" from json_each(?) as "listed") and +untagged_since is not null',
  values: [new Parameter('now'), new Parameter('repository'), new Parameter('list')],
}
export const setReferencedAmong: typeof queries.setReferencedAmong = {
  sql: 'update "repository_blob" set "unreferenced_since" = ? where "repository_id" = ? and "blob_id" in (select listed.value as "id" from json_each(?) as "listed")',
  values: [new Parameter('since'), new Parameter('repository'), new Parameter('list')],
}
export const setUntagged: typeof queries.setUntagged = {
  sql: 'update "manifest" set "untagged_since" = ? where "id" = ?',
  values: [new Parameter('since'), new Parameter('manifest')],
}
export const tagByName: typeof queries.tagByName = {
  sql: 'select "manifest_id" from "tag" where "repository_id" = ? and "name" = ?',
  values: [new Parameter('repository'), new Parameter('tag')],
}
export const tagCountOf: typeof queries.tagCountOf = {
  sql: 'select count(*) as "count" from "tag" where "manifest_id" = ?',
  values: [new Parameter('manifest')],
}
export const tagsOfAfter: typeof queries.tagsOfAfter = {
  sql: 'select "name" from "tag" where "manifest_id" = ? and "repository_id" = ? and "name" > ? order by "name" limit ? + 0',
  values: [
    new Parameter('manifest'),
    new Parameter('repository'),
    new Parameter('after'),
    new Parameter('limit'),
  ],
}
export const updateMediaType: typeof queries.updateMediaType = {
  sql: 'update "manifest" set "media_type" = ?, "pushed_at" = ? where "id" = ?',
  values: [new Parameter('mediaType'), new Parameter('now'), new Parameter('manifest')],
}

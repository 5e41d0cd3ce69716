// Made of ../queries/manifests.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/manifests.ts'

export const anyTagOf: typeof queries.anyTagOf = {
  sql: 'select "name" from "tag" where "manifest_id" = ? limit ? + 0',
  values: [new Parameter('manifest'), 1],
}
export const childrenOf: typeof queries.childrenOf = {
  sql: 'select "child", "kind" from "manifest_reference" where "manifest_id" = ?',
  values: [new Parameter('manifest')],
}
export const digestOfTag: typeof queries.digestOfTag = {
  sql: 'select "manifest"."digest" from "tag" inner join "manifest" on "manifest"."id" = "tag"."manifest_id" where "tag"."repository_id" = ? and "tag"."name" = ?',
  values: [new Parameter('repository'), new Parameter('tag')],
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
  sql: 'insert into "manifest" ("repository_id", "digest", "media_type", "artifact_type", "subject", "size", "annotations", "pushed_at", "untagged_since") values (?, ?, ?, ?, ?, ?, ?, ?, ?)',
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
export const linkedBlob: typeof queries.linkedBlob = {
  sql: 'select "blob"."id", "repository_blob"."unreferenced_since" from "blob" inner join "repository_blob" on "repository_blob"."blob_id" = "blob"."id" where "blob"."digest" = ? and "repository_blob"."repository_id" = ?',
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
export const removeBody: typeof queries.removeBody = {
  sql: 'delete from "manifest_body" where "manifest_id" = ?',
  values: [new Parameter('manifest')],
}
export const removeManifest: typeof queries.removeManifest = {
  sql: 'delete from "manifest" where "id" = ?',
  values: [new Parameter('manifest')],
}
export const removeReferencesOf: typeof queries.removeReferencesOf = {
  sql: 'delete from "manifest_reference" where "manifest_id" = ?',
  values: [new Parameter('manifest')],
}
export const removeTag: typeof queries.removeTag = {
  sql: 'delete from "tag" where "repository_id" = ? and "name" = ?',
  values: [new Parameter('repository'), new Parameter('tag')],
}
export const removeTagsOf: typeof queries.removeTagsOf = {
  sql: 'delete from "tag" where "manifest_id" = ?',
  values: [new Parameter('manifest')],
}
export const renewUntaggedReferrers: typeof queries.renewUntaggedReferrers = {
  sql: 'update "manifest" set "untagged_since" = ? where "repository_id" = ? and "subject" = ? and "untagged_since" is not null',
  values: [new Parameter('now'), new Parameter('repository'), new Parameter('subject')],
}
export const setReferenced: typeof queries.setReferenced = {
  sql: 'update "repository_blob" set "unreferenced_since" = ? where "repository_id" = ? and "blob_id" = ?',
  values: [new Parameter('since'), new Parameter('repository'), new Parameter('blob')],
}
export const setTag: typeof queries.setTag = {
  sql: 'insert into "tag" ("repository_id", "name", "manifest_id", "updated_at") values (?, ?, ?, ?) on conflict ("repository_id", "name") do update set "manifest_id" = ?, "updated_at" = ?',
  values: [
    new Parameter('repository'),
    new Parameter('tag'),
    new Parameter('manifest'),
    new Parameter('now'),
    new Parameter('manifest'),
    new Parameter('now'),
  ],
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
export const tagsOf: typeof queries.tagsOf = {
  sql: 'select "name" from "tag" where "manifest_id" = ?',
  values: [new Parameter('manifest')],
}
export const updateMediaType: typeof queries.updateMediaType = {
  sql: 'update "manifest" set "media_type" = ?, "pushed_at" = ? where "id" = ?',
  values: [new Parameter('mediaType'), new Parameter('now'), new Parameter('manifest')],
}

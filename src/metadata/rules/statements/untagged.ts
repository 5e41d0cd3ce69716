// Made of ../queries/untagged.ts by npm run statements.
import { Parameter } from '../bind.ts'
import type * as queries from '../queries/untagged.ts'

export const manifestSize: typeof queries.manifestSize = {
  sql: 'select "id", "size" from "manifest" where "repository_id" = ? and "digest" = ?',
  values: [new Parameter('repository'), new Parameter('digest')],
  postgres: {
    name: 'untagged.manifestSize',
    sql: 'select "id", "size" from "manifest" where "repository_id" = $1 and "digest" = $2',
  },
}
export const neededByManifest: typeof queries.neededByManifest = {
  sql: 'select "entry"."kind", "blob"."size", link.blob_id is null\n        or exists (select 1 from manifest_reference as other\n          where other.repository_id = entry.repository_id and other.child = entry.child\n            and other.manifest_id <> entry.manifest_id)\n        or exists (select 1 from repository_blob as elsewhere\n          where elsewhere.blob_id = blob.id and elsewhere.repository_id <> entry.repository_id) as "shared" from "manifest_reference" as "entry" left join "blob" on "blob"."digest" = "entry"."child" left join "repository_blob" as "link" on "link"."blob_id" = "blob"."id" and "link"."repository_id" = ? where "entry"."manifest_id" = ? limit ? + 0',
  values: [new Parameter('repository'), new Parameter('manifest'), new Parameter('limit')],
  postgres: {
    name: 'untagged.neededByManifest',
    sql: 'select "entry"."kind", "blob"."size", link.blob_id is null\n        or exists (select 1 from manifest_reference as other\n          where other.repository_id = entry.repository_id and other.child = entry.child\n            and other.manifest_id <> entry.manifest_id)\n        or exists (select 1 from repository_blob as elsewhere\n          where elsewhere.blob_id = blob.id and elsewhere.repository_id <> entry.repository_id) as "shared" from "manifest_reference" as "entry" left join "blob" on "blob"."digest" = "entry"."child" left join "repository_blob" as "link" on "link"."blob_id" = "blob"."id" and "link"."repository_id" = $1 where "entry"."manifest_id" = $2 limit $3',
  },
}
export const untaggedAfter: typeof queries.untaggedAfter = {
  sql: 'select "id", "digest", "media_type", "artifact_type", "size", "untagged_since", exists (select 1 from manifest_reference as parent\n        where parent.repository_id = manifest.repository_id and parent.child = manifest.digest)\n      or exists (select 1 from manifest as subject\n        where subject.repository_id = manifest.repository_id and subject.digest = manifest.subject) as "needed" from "manifest" where "repository_id" = ? and "untagged_since" >= ? and (untagged_since, id) > (?, ?) order by "untagged_since", "id" limit ? + 0',
  values: [
    new Parameter('repository'),
    new Parameter('afterSince'),
    new Parameter('afterSince'),
    new Parameter('afterId'),
    new Parameter('limit'),
  ],
  postgres: {
    name: 'untagged.untaggedAfter',
    sql: 'select "id", "digest", "media_type", "artifact_type", "size", "untagged_since", exists (select 1 from manifest_reference as parent\n        where parent.repository_id = manifest.repository_id and parent.child = manifest.digest)\n      or exists (select 1 from manifest as subject\n        where subject.repository_id = manifest.repository_id and subject.digest = manifest.subject) as "needed" from "manifest" where "repository_id" = $1 and "untagged_since" >= $2 and (untagged_since, id) > ($3, $4) order by "untagged_since", "id" limit $5',
  },
}
export const untaggedByDigest: typeof queries.untaggedByDigest = {
  sql: 'select "id", "digest", "media_type", "artifact_type", "size", "untagged_since", exists (select 1 from manifest_reference as parent\n        where parent.repository_id = manifest.repository_id and parent.child = manifest.digest)\n      or exists (select 1 from manifest as subject\n        where subject.repository_id = manifest.repository_id and subject.digest = manifest.subject) as "needed" from "manifest" where "repository_id" = ? and "digest" = ? and "untagged_since" is not null',
  values: [new Parameter('repository'), new Parameter('digest')],
  postgres: {
    name: 'untagged.untaggedByDigest',
    sql: 'select "id", "digest", "media_type", "artifact_type", "size", "untagged_since", exists (select 1 from manifest_reference as parent\n        where parent.repository_id = manifest.repository_id and parent.child = manifest.digest)\n      or exists (select 1 from manifest as subject\n        where subject.repository_id = manifest.repository_id and subject.digest = manifest.subject) as "needed" from "manifest" where "repository_id" = $1 and "digest" = $2 and "untagged_since" is not null',
  },
}

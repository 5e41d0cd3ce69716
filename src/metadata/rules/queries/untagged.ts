import { sql } from 'kysely'
import { compile, parameter, queryBuilder } from './query.ts'

const queries = queryBuilder()
const repository = parameter<number>('repository')
const afterSince = parameter<number>('afterSince')
const limit = parameter<number>('limit')

const untagged = queries
  .selectFrom('manifest')
  .select(['id', 'digest', 'media_type', 'artifact_type', 'size', 'untagged_since'])
  .select(
    sql<number>`exists (select 1 from manifest_reference as parent
        where parent.repository_id = manifest.repository_id and parent.child = manifest.digest)
      or exists (select 1 from manifest as subject
        where subject.repository_id = manifest.repository_id and subject.digest = manifest.subject)`.as(
      'needed',
    ),
  )
  .where('repository_id', '=', repository)

/** Reads a window of the index of untagged manifests, which bounds the cost of one page. */
export const untaggedAfter = compile(
  untagged
    .where('untagged_since', '>=', afterSince)
    .where(sql<boolean>`(untagged_since, id) > (${afterSince}, ${parameter<number>('afterId')})`)
    .orderBy('untagged_since')
    .orderBy('id')
    .limit(limit),
)
export const untaggedByDigest = compile(
  untagged.where('digest', '=', parameter<string>('digest')).where('untagged_since', 'is not', null),
)
export const manifestSize = compile(
  queries
    .selectFrom('manifest')
    .select(['id', 'size'])
    .where('repository_id', '=', repository)
    .where('digest', '=', parameter<string>('digest')),
)
/**
 * The references of the manifest, with the sizes of blobs that the repository links, and whether other
 * content needs them too.
 */
export const neededByManifest = compile(
  queries
    .selectFrom('manifest_reference as entry')
    .leftJoin('blob', 'blob.digest', 'entry.child')
    .leftJoin('repository_blob as link', (join) =>
      join.onRef('link.blob_id', '=', 'blob.id').on('link.repository_id', '=', repository),
    )
    .select(['entry.kind', 'blob.size'])
    .select(
      sql<number>`link.blob_id is null
        or exists (select 1 from manifest_reference as other
          where other.repository_id = entry.repository_id and other.child = entry.child
            and other.manifest_id <> entry.manifest_id)
        or exists (select 1 from repository_blob as elsewhere
          where elsewhere.blob_id = blob.id and elsewhere.repository_id <> entry.repository_id)`.as('shared'),
    )
    .where('entry.manifest_id', '=', parameter<number>('manifest'))
    .limit(limit),
)

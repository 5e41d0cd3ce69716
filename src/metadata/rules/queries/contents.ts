import { sql } from 'kysely'
import { compile, parameter, queryBuilder } from './query.ts'

const queries = queryBuilder()
const repository = parameter<number>('repository')
const digest = parameter<string>('digest')
const limit = parameter<number>('limit')
const afterManifest = parameter<number>('afterManifest')

export const manifestId = compile(
  queries
    .selectFrom('manifest')
    .innerJoin('repository', 'repository.id', 'manifest.repository_id')
    .select(['manifest.id', 'manifest.repository_id'])
    .where('repository.name', '=', parameter<string>('name'))
    .where('manifest.digest', '=', digest),
)

/** The references of a manifest, with what the repository holds for each: a blob or a manifest. */
export const namedAfter = compile(
  queries
    .selectFrom('manifest_reference as entry')
    .leftJoin('blob', 'blob.digest', 'entry.child')
    .leftJoin('repository_blob as link', (join) =>
      join.onRef('link.blob_id', '=', 'blob.id').on('link.repository_id', '=', repository),
    )
    .leftJoin('manifest as held', (join) =>
      join.on('held.repository_id', '=', repository).onRef('held.digest', '=', 'entry.child'),
    )
    .select([
      'entry.child',
      'entry.kind',
      'blob.size as blob_size',
      'blob.twin',
      'link.blob_id',
      'held.id as manifest_id',
      'held.size as manifest_size',
      'held.media_type',
    ])
    .where('entry.manifest_id', '=', parameter<number>('manifest'))
    .where('entry.repository_id', '=', repository)
    .where('entry.child', '>', parameter<string>('after'))
    .orderBy('entry.child')
    .limit(limit),
)

export const parentsAfter = compile(
  queries
    .selectFrom('repository')
    .innerJoin('manifest_reference as entry', 'entry.repository_id', 'repository.id')
    .innerJoin('manifest', 'manifest.id', 'entry.manifest_id')
    .select(['manifest.id', 'manifest.digest', 'manifest.media_type', 'manifest.artifact_type', 'entry.kind'])
    .where('repository.name', '=', parameter<string>('name'))
    .where('entry.child', '=', digest)
    .where('entry.manifest_id', '>', afterManifest)
    .orderBy('entry.manifest_id')
    .limit(limit),
)

// All repositories are searched in windows of ids: an index by digest alone would cost every push one more
// write per
// reference.

const first = parameter<number>('first')
const end = parameter<number>('end')

/** The id at which the next window begins. */
export const windowEnd = compile(
  queries
    .selectFrom('repository')
    .select('id')
    .where('id', '>=', first)
    .orderBy('id')
    .limit(1)
    .offset(parameter<number>('size')),
)

/** `afterManifest` applies only to the first repository of the window. */
export const parentsInWindow = compile(
  queries
    .selectFrom('repository')
    // SQLite runs cross joins in the order in which they are written.
    .crossJoin('manifest_reference as entry')
    .crossJoin('manifest')
    .select([
      'repository.id as repository_id',
      'repository.name',
      'manifest.id',
      'manifest.digest',
      'manifest.media_type',
      'manifest.artifact_type',
      'entry.kind',
    ])
    .where('repository.id', '>=', first)
    .where('repository.id', '<', end)
    .whereRef('entry.repository_id', '=', 'repository.id')
    .where('entry.child', '=', digest)
    .where(sql<boolean>`(repository.id > ${first} or entry.manifest_id > ${afterManifest})`)
    .whereRef('manifest.id', '=', 'entry.manifest_id')
    .orderBy('repository.id')
    .orderBy('entry.manifest_id')
    .limit(limit),
)

export const copiesInWindow = compile(
  queries
    .selectFrom('repository')
    .crossJoin('manifest')
    .select(['repository.name', 'manifest.digest', 'manifest.media_type', 'manifest.artifact_type'])
    .where('repository.id', '>=', first)
    .where('repository.id', '<', end)
    .whereRef('manifest.repository_id', '=', 'repository.id')
    .where('manifest.digest', '=', digest)
    .orderBy('repository.id'),
)

export const twinOfBlob = compile(queries.selectFrom('blob').select('twin').where('digest', '=', digest))
export const blobOfTwin = compile(
  queries.selectFrom('blob').select('digest').where('twin', '=', digest).limit(1),
)

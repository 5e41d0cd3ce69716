import { sql, type Selectable } from 'kysely'
import { compile, either, parameter, queryBuilder, typed } from './query.ts'
import type { Schema } from './schema.ts'

const queries = queryBuilder()
const repository = parameter<number>('repository')
const digest = parameter<string>('digest')
const limit = parameter<number>('limit')
const afterManifest = parameter<number>('afterManifest')
type Entry = Selectable<Schema['manifest_reference']>

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
    .selectFrom('manifest_reference as entry')
    .innerJoin('manifest', 'manifest.id', 'entry.manifest_id')
    .select(['manifest.id', 'manifest.digest', 'manifest.media_type', 'manifest.artifact_type', 'entry.kind'])
    // A value: in a join, PostgreSQL would not know that the parents come in their order.
    .where('entry.repository_id', '=', (inner) =>
      inner
        .selectFrom('repository')
        .select('repository.id')
        .where('repository.name', '=', parameter<string>('name')),
    )
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
const afterInRepository = sql<number>`case when repository.id > ${first} then 0 else ${typed('afterManifest', 'bigint')} end`

/** PostgreSQL would sort all parents of a repository: it is told that a page needs no more than the first ones. */
const parentsOfRepository = either(
  sql<Entry>`manifest_reference`,
  sql<Entry>`lateral (
    select parent.* from manifest_reference as parent
    where parent.repository_id = repository.id and parent.child = ${digest} and parent.manifest_id > ${afterInRepository}
    order by parent.manifest_id limit ${limit})`,
)

export const parentsInWindow = compile(
  queries
    .selectFrom('repository')
    // SQLite runs cross joins in the order in which they are written.
    .crossJoin(parentsOfRepository.as('entry'))
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
    .where('entry.manifest_id', '>', afterInRepository)
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

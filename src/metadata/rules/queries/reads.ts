import { sql } from 'kysely'
import { dockerManifestList, ociImageIndex } from '../../../oci/media-types.ts'
import type { Statement } from '../bind.ts'
import { compile, either, parameter, queryBuilder, typed } from './query.ts'
import { place } from './engines.ts'

const queries = queryBuilder()
const name = parameter<string>('name')
const digest = parameter<string>('digest')
const after = parameter<string>('after')
const limit = parameter<number>('limit')
const artifactType = parameter<string | null>('artifactType')
/** Artifact types match case-insensitively. */
const isOfType = either(
  sql<boolean>`manifest.artifact_type = ${artifactType} collate nocase`,
  sql<boolean>`lower(manifest.artifact_type) = lower(cast(${artifactType} as text) collate "C")`,
)

export const manifestByTag = compile(
  queries
    .selectFrom('repository')
    .innerJoin('tag', 'tag.repository_id', 'repository.id')
    .innerJoin('manifest', 'manifest.id', 'tag.manifest_id')
    .innerJoin('manifest_body', 'manifest_body.manifest_id', 'manifest.id')
    .select(['manifest.digest', 'manifest.media_type', 'manifest_body.body'])
    .where('repository.name', '=', name)
    .where('tag.name', '=', parameter<string>('tag')),
)

export const manifestByDigest = compile(
  queries
    .selectFrom('repository')
    .innerJoin('manifest', 'manifest.repository_id', 'repository.id')
    .innerJoin('manifest_body', 'manifest_body.manifest_id', 'manifest.id')
    .select(['manifest.digest', 'manifest.media_type', 'manifest_body.body'])
    .where('repository.name', '=', name)
    .where('manifest.digest', '=', digest),
)

/**
 * The id of the repository, as a value. As a table of a join, PostgreSQL rather looks at every repository that has
 * a blob, and it does not know that a join with one row keeps the order of an index.
 */
const repositoryOfName = queries
  .selectFrom('repository')
  .select('repository.id')
  .where('repository.name', '=', name)

const links = queries
  .selectFrom('blob')
  .innerJoin('repository_blob', 'repository_blob.blob_id', 'blob.id')
  .select(['blob.size', 'repository_blob.unreferenced_since'])
  .where('repository_blob.repository_id', '=', repositoryOfName)
  .where('blob.digest', '=', digest)

export const blobLink = compile(links)

export const linkedBlob = compile(
  links.leftJoin('blob_body', 'blob_body.blob_id', 'blob.id').select(['blob.data_key', 'blob_body.body']),
)

export const blobHolders = compile(
  queries
    .selectFrom('blob')
    .innerJoin('repository_blob', 'repository_blob.blob_id', 'blob.id')
    .innerJoin('repository', 'repository.id', 'repository_blob.repository_id')
    .select('repository.name')
    .where('blob.digest', '=', digest)
    .limit(limit),
)

export const tagsAfter = compile(
  queries
    .selectFrom('tag')
    .select('name')
    .where('repository_id', '=', parameter<number>('repository'))
    .where('name', '>', after)
    .orderBy('name')
    .limit(limit),
)

export const repositoriesAfter = compile(
  queries
    .selectFrom('repository')
    .select([
      'name',
      sql<number>`exists (select 1 from manifest where manifest.repository_id = repository.id)`.as('used'),
    ])
    .where('name', '>', after)
    .orderBy('name')
    .limit(limit),
)

const referrers = queries
  .selectFrom('manifest')
  .select([
    'manifest.digest',
    'manifest.media_type',
    'manifest.size',
    'manifest.artifact_type',
    'manifest.annotations',
  ])
  .where('manifest.repository_id', '=', repositoryOfName)
  .where('manifest.subject', '=', parameter<string>('subject'))
  .where('manifest.digest', '>', after)
  .orderBy('manifest.digest')
  .limit(limit)

export const referrersAfter = compile(referrers)

export const referrersOfTypeAfter = compile(referrers.where(isOfType))

/** Every entry of the index, joined with its manifest if that exists and has the requested type. */
export const indexedAfter = compile(
  queries
    .selectFrom('manifest_reference as entry')
    .leftJoin('manifest', (join) =>
      join
        .onRef('manifest.repository_id', '=', 'entry.repository_id')
        .onRef('manifest.digest', '=', 'entry.child')
        .on(sql<boolean>`(${typed('artifactType', 'text')} is null or ${isOfType})`),
    )
    .select([
      'entry.child',
      'manifest.digest',
      'manifest.media_type',
      'manifest.size',
      'manifest.artifact_type',
      'manifest.annotations',
    ])
    .where('entry.manifest_id', '=', (inner) =>
      inner
        .selectFrom('tag')
        .innerJoin('manifest as listing', 'listing.id', 'tag.manifest_id')
        .select('listing.id')
        .where('tag.repository_id', '=', repositoryOfName)
        .where('tag.name', '=', parameter<string>('tag'))
        .where('listing.media_type', 'in', [ociImageIndex, dockerManifestList]),
    )
    // Only SQLite needs the repository to read the entries in their order.
    .where(either(sql<boolean>`entry.repository_id = ${repositoryOfName}`, sql<boolean>`true`))
    .where('entry.child', '>', after)
    .orderBy('entry.child')
    .limit(limit),
)

export const uploadById = compile(
  queries
    .selectFrom('upload')
    .innerJoin('repository', 'repository.id', 'upload.repository_id')
    .select([
      'upload.algorithm',
      'upload.data_key',
      'upload.parts',
      'upload.size',
      'upload.inline_bytes',
      'upload.hash_state',
      'upload.digest',
      'upload.cut_from',
      'upload.started_at',
      'upload.touched_at',
    ])
    .where('upload.id', '=', parameter<string>('id'))
    .where('repository.name', '=', name),
)

/** Never the key of a stored blob: a push that was held up for a day may have recorded an orphan meanwhile. */
export const pendingDeletes = compile(
  queries
    .selectFrom('pending_delete')
    .select('data_key')
    .where('since', '<=', parameter<number>('before'))
    .where(sql<boolean>`not exists (select 1 from blob where blob.data_key = pending_delete.data_key)`)
    .orderBy('since')
    .limit(limit),
)

export const counts = compile(
  queries.selectNoFrom([
    sql<number>`(select count(*) from repository where vacated_at is null)`.as('repositories'),
    sql<number>`(select count(*) from manifest)`.as('manifests'),
    sql<number>`(select count(*) from tag)`.as('tags'),
    sql<number>`(select count(*) from blob)`.as('blobs'),
    sql<number>`(select coalesce(sum(size), 0) from blob)`.as('bytes'),
    sql<number>`(select count(*) from upload)`.as('uploads'),
  ]),
)

export const blobsAfter = compile(
  queries
    .selectFrom('blob')
    .leftJoin('blob_body', 'blob_body.blob_id', 'blob.id')
    .select(['blob.id', 'blob.digest', 'blob.size', 'blob.data_key', 'blob.twin', 'blob_body.body'])
    .where('blob.id', '>', parameter<number>('after'))
    .orderBy('blob.id')
    .limit(limit),
)

export const manifestsAfter = compile(
  queries
    .selectFrom('manifest')
    .innerJoin('repository', 'repository.id', 'manifest.repository_id')
    .innerJoin('manifest_body', 'manifest_body.manifest_id', 'manifest.id')
    .select([
      'manifest.id',
      'manifest.repository_id',
      'repository.name',
      'manifest.digest',
      'manifest.media_type',
      'manifest.size',
      'manifest_body.body',
    ])
    .where('manifest.id', '>', parameter<number>('after'))
    .orderBy('manifest.id')
    .limit(limit),
)

export const missingChildren = compile(
  queries
    .selectFrom('manifest_reference as reference')
    .select('reference.child')
    .where('reference.manifest_id', '=', parameter<number>('manifest'))
    .where('reference.required', '=', 1)
    .where(
      sql<boolean>`not exists (select 1 from manifest as child where child.repository_id = reference.repository_id and child.digest = reference.child)`,
    )
    .where(
      // Content that is pulled as a manifest is not served from a blob.
      sql<boolean>`(reference.kind = 'manifest' or not exists (select 1 from blob join repository_blob as link on link.blob_id = blob.id where blob.digest = reference.child and link.repository_id = reference.repository_id))`,
    ),
)

export const keyInUse = compile(
  queries.selectNoFrom(
    sql<number>`exists (select 1 from blob where data_key = ${parameter<string>('key')}) or exists (select 1 from upload where data_key = ${parameter<string>('key')}) or exists (select 1 from pending_delete where data_key = ${parameter<string>('key')})`.as(
      'used',
    ),
  ),
)

export const storedBlobs = compile(
  queries
    .selectFrom('blob')
    .select(['id', 'digest', 'size', 'data_key'])
    .where('data_key', 'is not', null)
    .where('id', '>', parameter<number>('after'))
    .orderBy('id')
    .limit(limit),
)

export const auditRecordsAfter = waitingAfter('outbox')
export const denialsAfter = waitingAfter('denial_outbox')

/** The only gaps in the ids are at the start, where records were deleted. */
export const outboxSize = sizeOf('outbox')
export const denialsSize = sizeOf('denial_outbox')

const robotColumns = queries
  .selectFrom('robot')
  .select(['name', 'description', 'secret_hash', 'credential_id', 'grants', 'created_at', 'expires_at'])

export const robotByName = compile(robotColumns.where('name', '=', name))

export const robots = compile(robotColumns.orderBy('name'))

export const signingKeys = compile(
  queries
    .selectFrom('signing_key')
    .select(['id', 'private_key', 'created_at'])
    .orderBy('created_at', 'desc')
    .orderBy('id'),
)

export const loginSources = compile(
  queries
    .selectFrom('login_source')
    .select(['name', 'network', 'seen_at'])
    .orderBy('seen_at', 'desc')
    .limit(limit),
)

function waitingAfter(
  table: 'outbox' | 'denial_outbox',
): Statement<{ id: number; note: string | null; facts: string | null }> {
  return compile(
    queries
      .selectFrom(table)
      .select([place.as('id'), 'note', 'facts'])
      .where(place, '>', parameter<number>('after'))
      .orderBy(place)
      .limit(limit),
  )
}

function sizeOf(table: 'outbox' | 'denial_outbox'): Statement<{ rows: number; bytes: number }> {
  const from = sql.table(table)
  return compile(
    queries.selectNoFrom([
      sql<number>`coalesce((select max(id) from ${from}) - (select min(id) from ${from}) + 1, 0)`.as('rows'),
      sql<number>`coalesce((select total from ${from} order by id desc limit 1) - (select total - length(coalesce(note, '')) - length(coalesce(facts, '')) from ${from} order by id limit 1), 0)`.as(
        'bytes',
      ),
    ]),
  )
}

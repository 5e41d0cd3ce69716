import { sql } from 'kysely'
import { compile, parameter, queryBuilder } from './query.ts'
import { namedRepository } from './named-repository.ts'
import { forShare, isUnclaimed } from './engines.ts'

const queries = queryBuilder()
const before = parameter<number>('before')
const limit = parameter<number>('limit')
const after = { since: parameter<number>('afterSince'), id: parameter<number>('afterId') }

/** Refers to the blob of the outer query. */
const linksOfBlob = queries
  .selectFrom('repository_blob as link')
  .select('link.repository_id')
  .where('link.blob_id', '=', sql.ref<number>('blob.id'))

/** The manifests that refer to the content; the arguments are columns of the outer query. */
const parentsOf = (repository: string, child: string) =>
  queries
    .selectFrom('manifest_reference as parent')
    .select('parent.manifest_id')
    .where('parent.repository_id', '=', sql.ref<number>(repository))
    .where('parent.child', '=', sql.ref<string>(child))

// Possible garbage is in partial indexes, oldest first, and is paged along them: the cost of a step depends
// on what it finds, not on the size of the registry. Conditions use row values, because with plain columns
// the planner may walk a primary key instead.

export const staleUploads = compile(
  queries
    .selectFrom('upload')
    .innerJoin('repository', 'repository.id', 'upload.repository_id')
    .select(['upload.id', 'upload.data_key', 'upload.size', 'upload.touched_at', 'repository.name'])
    .where('upload.touched_at', '<', before)
    .where('upload.id', '>', parameter<string>('after'))
    .where(isUnclaimed)
    .orderBy('upload.id')
    .limit(limit),
)
/** Reads a window of the index of untagged manifests, with those that are needed: an index may keep all of them. */
export const untaggedManifests = compile(
  queries
    .selectFrom('manifest')
    .select(['id', 'repository_id', 'digest', 'size', 'untagged_since'])
    .select(({ or, exists, selectFrom }) =>
      or([
        exists(parentsOf('manifest.repository_id', 'manifest.digest')),
        exists(
          selectFrom('manifest as subject')
            .select('subject.id')
            .whereRef('subject.repository_id', '=', 'manifest.repository_id')
            .whereRef('subject.digest', '=', 'manifest.subject'),
        ),
      ]).as('needed'),
    )
    .where('repository_id', '=', namedRepository)
    .where('untagged_since', '<', before)
    .where(sql<boolean>`(untagged_since, id) > (${after.since}, ${after.id})`)
    .orderBy('untagged_since')
    .orderBy('id')
    .limit(limit),
)
export const unreferencedLinks = compile(
  queries
    .selectFrom('repository_blob as link')
    .innerJoin('repository', 'repository.id', 'link.repository_id')
    .innerJoin('blob', 'blob.id', 'link.blob_id')
    .select([
      'link.repository_id',
      'link.blob_id',
      'link.unreferenced_since',
      'repository.name',
      'blob.digest',
      'blob.size',
    ])
    // Not the number of links: a base layer has as many as there are repositories.
    .select(
      sql<number>`exists (select 1 from repository_blob as other where other.blob_id = blob.id and other.repository_id <> link.repository_id)`.as(
        'elsewhere',
      ),
    )
    .where('link.unreferenced_since', '<', before)
    .where(
      sql<boolean>`(link.unreferenced_since, link.repository_id, link.blob_id) > (${after.since}, ${parameter<number>('afterRepository')}, ${after.id})`,
    )
    // Every change keeps unreferenced_since correct; this second check is cheap and can only keep more blobs.
    .where(({ not, exists }) => not(exists(parentsOf('link.repository_id', 'blob.digest'))))
    .orderBy('link.unreferenced_since')
    .orderBy('link.repository_id')
    .orderBy('link.blob_id')
    .limit(limit),
)
export const unlinkedBlobs = compile(
  queries
    .selectFrom('blob')
    .select(['id', 'digest', 'size', 'unlinked_since'])
    .where('unlinked_since', 'is not', null)
    .where('state', '=', 'live')
    .where(sql<boolean>`(unlinked_since, id) > (${after.since}, ${after.id})`)
    .where(({ not, exists }) => not(exists(linksOfBlob)))
    .orderBy('unlinked_since')
    .orderBy('id')
    .limit(limit),
)
export const markBlob = compile(
  queries
    .updateTable('blob')
    .set({ state: 'condemned', condemned_at: parameter<number>('now') })
    .where('id', '=', parameter<number>('blob')),
)
export const markedBlobs = compile(
  queries
    .selectFrom('blob')
    .select(['id', 'digest', 'size', 'data_key', 'condemned_at'])
    .where('condemned_at', '<', before)
    .where('state', '=', 'condemned')
    .where(sql<boolean>`(condemned_at, id) > (${after.since}, ${after.id})`)
    .where(({ not, exists }) => not(exists(linksOfBlob)))
    .orderBy('condemned_at')
    .orderBy('id')
    .limit(limit),
)
export const deleteBlob = compile(queries.deleteFrom('blob').where('id', '=', parameter<number>('blob')))
export const deleteBody = compile(
  queries.deleteFrom('blob_body').where('blob_id', '=', parameter<number>('blob')),
)
/** Reads a window of repositories, which bounds the cost of one step. */
export const repositoriesByUse = compile(
  queries
    .selectFrom('repository')
    .select(['id', 'name', 'vacated_at'])
    .select(
      sql<number>`exists (select 1 from past_manifest where past_manifest.repository_id = repository.id)
        or exists (select 1 from past_tag where past_tag.repository_id = repository.id and removal is not null)`.as(
        'remembered',
      ),
    )
    .select(
      sql<number>`created_at < ${before} and vacated_at is null
        and not exists (select 1 from manifest where manifest.repository_id = repository.id)
        and not exists (select 1 from repository_blob where repository_blob.repository_id = repository.id)
        and not exists (select 1 from upload where upload.repository_id = repository.id)`.as('empty'),
    )
    .where('id', '>', after.id)
    .orderBy('id')
    .limit(limit),
)
export const deleteRepository = compile(
  queries.deleteFrom('repository').where('id', '=', parameter<number>('repository')),
)
export const deletePending = compile(
  queries.deleteFrom('pending_delete').where('data_key', '=', parameter<string>('key')),
)
export const leaseByName = compile(
  queries.selectFrom('lease').select(['holder', 'expires_at']).where('name', '=', parameter<string>('name')),
)
export const leaseToKeep = compile(
  queries
    .selectFrom('lease')
    .select('holder')
    .where('name', '=', parameter<string>('name'))
    .modifyEnd(forShare),
)
export const putLease = compile(
  queries
    .insertInto('lease')
    .values({
      name: parameter<string>('name'),
      holder: parameter<string>('holder'),
      expires_at: parameter<number>('expires'),
    })
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet({ holder: parameter<string>('holder'), expires_at: parameter<number>('expires') }),
    ),
)
export const deleteLease = compile(
  queries
    .deleteFrom('lease')
    .where('name', '=', parameter<string>('name'))
    .where('holder', '=', parameter<string>('holder')),
)

import { sql } from 'kysely'
import { isInNoUpload } from './engines.ts'
import { namedRepository } from './named-repository.ts'
import { compile, parameter, queryBuilder, typed } from './query.ts'

const queries = queryBuilder()

export const blobByDigest = compile(
  queries
    .selectFrom('blob')
    .select(['id', 'state', 'data_key', 'size', 'unlinked_since'])
    .where('digest', '=', parameter<string>('digest')),
)
/** Inserts nothing if another transaction has stored the content meanwhile. */
export const insertBlob = compile(
  queries
    .insertInto('blob')
    .values({
      digest: parameter<string>('digest'),
      size: parameter<number>('size'),
      data_key: parameter<string | null>('key'),
      state: 'live',
      unlinked_since: null,
      condemned_at: null,
      twin: parameter<string | null>('twin'),
    })
    .onConflict((conflict) => conflict.doNothing()),
  { id: 'told' },
)
export const setTwin = compile(
  queries
    .updateTable('blob')
    .set({ twin: parameter<string>('twin') })
    .where('digest', '=', parameter<string>('digest')),
)
export const insertBody = compile(
  queries
    .insertInto('blob_body')
    .values({ blob_id: parameter<number>('blob'), body: parameter<Uint8Array>('body') }),
)
/** Works whether or not the blob is marked for deletion (state `condemned`). */
export const rescueBlob = compile(
  queries
    .updateTable('blob')
    .set({ state: 'live', unlinked_since: null, condemned_at: null })
    .where('id', '=', parameter<number>('blob'))
    .where('unlinked_since', 'is not', null),
)
export const renewLink = compile(
  queries
    .updateTable('repository_blob')
    .set({ unreferenced_since: parameter<number>('now') })
    .where('repository_id', '=', parameter<number>('repository'))
    .where('blob_id', '=', parameter<number>('blob'))
    .where('unreferenced_since', 'is not', null),
)
/**
 * Links the blob with the digest. The grace period of the link begins, unless a manifest that was stored without this
 * content (sparse) refers to it already.
 */
export const insertLink = compile(
  queries
    .insertInto('repository_blob')
    .values({
      repository_id: parameter<number>('repository'),
      blob_id: sql<number>`(select id from blob where digest = ${parameter<string>('digest')})`,
      unreferenced_since: sql<number | null>`case when exists (select 1 from manifest_reference
        where repository_id = ${parameter<number>('repository')} and child = ${parameter<string>('digest')})
        then null else ${typed<number>('now', 'bigint')} end`,
    })
    .onConflict((conflict) => conflict.doNothing()),
)
export const deleteLink = compile(
  queries
    .deleteFrom('repository_blob')
    .where('repository_id', '=', parameter<number>('repository'))
    .where('blob_id', '=', parameter<number>('blob')),
)
/** The link of a blob in a repository, both by their names. */
export const linkByName = compile(
  queries
    .selectFrom('repository')
    .innerJoin('repository_blob as link', 'link.repository_id', 'repository.id')
    .innerJoin('blob', 'blob.id', 'link.blob_id')
    .select(['link.repository_id', 'repository.name', 'link.blob_id', 'link.unreferenced_since', 'blob.size'])
    .where('repository.vacated_at', 'is', null)
    .where('blob.digest', '=', parameter<string>('digest'))
    .where('repository.name', '=', parameter<string>('name')),
)
/** The name of some repository that links the blob. No join: PostgreSQL would begin with all repositories. */
export const anyLinkOf = compile(
  queries
    .selectFrom('repository_blob as link')
    .select(sql<string>`(select name from repository where id = link.repository_id)`.as('name'))
    .where(
      'link.blob_id',
      '=',
      sql<number>`(select id from blob where digest = ${parameter<string>('digest')})`,
    )
    .limit(1),
)
/** Nothing changes while a repository links the blob. */
export const markUnlinked = compile(
  queries
    .updateTable('blob')
    .set({ unlinked_since: parameter<number>('now') })
    .where('id', '=', parameter<number>('blob'))
    .where(
      sql<boolean>`not exists (select 1 from repository_blob where blob_id = ${parameter<number>('blob')})`,
    ),
)
export const anyParent = compile(
  queries
    .selectFrom('manifest_reference')
    .innerJoin('manifest', 'manifest.id', 'manifest_reference.manifest_id')
    .select('manifest.digest')
    .where('manifest_reference.repository_id', '=', namedRepository)
    .where('manifest_reference.child', '=', parameter<string>('digest'))
    .limit(1),
)
/** Never adds the key of a stored blob: whatever else went wrong, those bytes are in use. */
export const addPendingDelete = compile(
  queries
    .insertInto('pending_delete')
    .columns(['data_key'])
    .expression(
      queries
        .selectNoFrom(typed<string>('key', 'text').as('data_key'))
        .where(sql<boolean>`not exists (select 1 from blob where data_key = ${parameter<string>('key')})`)
        .where(isInNoUpload),
    )
    .onConflict((conflict) => conflict.doNothing()),
)
export const linksOfBlob = compile(
  queries
    .selectFrom('repository_blob')
    .select([
      'repository_blob.repository_id as id',
      // In a join, PostgreSQL may rather ask every repository than every link.
      sql<string>`(select name from repository where repository.id = repository_blob.repository_id)`.as(
        'name',
      ),
    ])
    .where('repository_blob.blob_id', '=', parameter<number>('blob')),
)

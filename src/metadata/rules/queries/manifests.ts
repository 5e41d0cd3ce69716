import { sql } from 'kysely'
import { fewValues } from './engines.ts'
import { namedRepository } from './named-repository.ts'
import { compile, either, parameter, queryBuilder, typed } from './query.ts'

const queries = queryBuilder()
const list = parameter<string>('list')
/** A JSON list as rows of one column, `value`: one statement handles many rows. */
const listed = either(
  sql<{ value: string }>`json_each(${list})`,
  sql<{
    value: string
  }>`(select value from jsonb_array_elements_text(cast(${list} as jsonb)) where ${fewValues})`,
).as('listed')
/** A JSON list of lists. */
const listedRows = either(
  sql<{ value: string }>`json_each(${list})`,
  sql<{ value: string }>`jsonb_array_elements(cast(${list} as jsonb))`,
).as('listed')
const values = queries.selectFrom(listed).select('listed.value')
const repository = parameter<number>('repository')
const limit = parameter<number>('limit')
const after = parameter<string>('after')

const described = ['digest', 'size', 'media_type', 'artifact_type', 'subject'] as const

export const manifestByDigest = compile(
  queries
    .selectFrom('manifest')
    .select(['id', 'repository_id', 'untagged_since', ...described])
    .where('repository_id', '=', namedRepository)
    .where('digest', '=', parameter<string>('digest')),
)
/**
 * The manifest, or else (`id` is null) what is kept of one that was removed: that is deleted when it is pushed
 * again.
 */
export const manifestEver = compile(
  queries
    .selectFrom('manifest')
    .select([
      sql<number | null>`id`.as('id'),
      'media_type',
      'untagged_since',
      'first_seen',
      'seen_at_latest',
      'pusher',
    ])
    .where('repository_id', '=', namedRepository)
    .where('digest', '=', parameter<string>('digest'))
    .unionAll(
      queries
        .selectFrom('past_manifest')
        .select([
          sql<number | null>`null`.as('id'),
          sql<string>`''`.as('media_type'),
          sql<number | null>`null`.as('untagged_since'),
          'first_seen',
          'seen_at_latest',
          'pusher',
        ])
        .where('repository_id', '=', namedRepository)
        .where('digest', '=', parameter<string>('digest')),
    ),
)
/** Nothing changes while a tag points to the manifest. */
export const noteUntagged = compile(
  queries
    .updateTable('manifest')
    .set({ untagged_since: parameter<number>('now') })
    .where('id', '=', parameter<number>('manifest'))
    .where(sql<boolean>`not exists (select 1 from tag where manifest_id = ${parameter<number>('manifest')})`),
)
export const setUntagged = compile(
  queries
    .updateTable('manifest')
    .set({ untagged_since: parameter<number | null>('since') })
    .where('id', '=', parameter<number>('manifest')),
)
export const insertManifest = compile(
  queries.insertInto('manifest').values({
    id: parameter<number | undefined>('id'),
    repository_id: parameter<number>('repository'),
    digest: parameter<string>('digest'),
    media_type: parameter<string>('mediaType'),
    artifact_type: parameter<string | null>('artifactType'),
    subject: parameter<string | null>('subject'),
    size: parameter<number>('size'),
    annotations: parameter<string | null>('annotations'),
    pushed_at: parameter<number>('now'),
    untagged_since: parameter<number | null>('untaggedSince'),
    first_seen: parameter<number>('firstSeen'),
    seen_at_latest: parameter<number>('atLatest'),
    pusher: parameter<string | null>('pusher'),
  }),
  { id: 'given' },
)
export const updateMediaType = compile(
  queries
    .updateTable('manifest')
    .set({ media_type: parameter<string>('mediaType'), pushed_at: parameter<number>('now') })
    .where('id', '=', parameter<number>('manifest')),
)
export const insertBody = compile(
  queries
    .insertInto('manifest_body')
    .values({ manifest_id: parameter<number>('manifest'), body: parameter<Uint8Array>('body') }),
)
export const removeManifest = compile(
  queries.deleteFrom('manifest').where('id', '=', parameter<number>('manifest')),
)
export const removeBody = compile(
  queries.deleteFrom('manifest_body').where('manifest_id', '=', parameter<number>('manifest')),
)
export const manifestById = compile(
  queries.selectFrom('manifest').select(described).where('id', '=', parameter<number>('manifest')),
)
export const linkedBlob = compile(
  queries
    .selectFrom('blob')
    .innerJoin('repository_blob', 'repository_blob.blob_id', 'blob.id')
    .select(['blob.id', 'blob.digest', 'blob.size', 'repository_blob.unreferenced_since'])
    .where('blob.digest', '=', parameter<string>('digest'))
    .where('repository_blob.repository_id', '=', namedRepository),
)
/** `linkedBlob` for a list of digests. */
export const linkedAmong = compile(
  queries
    .selectFrom(listed)
    // SQLite runs cross joins in the order in which they are written: here from the list to the repository's
    // blobs, never the other way round.
    .crossJoin('blob')
    .crossJoin('repository_blob')
    .select(['blob.id', 'blob.digest', 'blob.size', 'repository_blob.unreferenced_since'])
    .whereRef('blob.digest', '=', 'listed.value')
    .whereRef('repository_blob.blob_id', '=', 'blob.id')
    .where('repository_blob.repository_id', '=', namedRepository),
)
export const manifestsAmong = compile(
  queries
    .selectFrom(listed)
    .crossJoin('manifest')
    .select(['manifest.digest', 'manifest.size'])
    .whereRef('manifest.digest', '=', 'listed.value')
    .where('manifest.repository_id', '=', namedRepository),
)
export const setReferencedAmong = compile(
  queries
    .updateTable('repository_blob')
    .set({ unreferenced_since: parameter<number | null>('since') })
    .where('repository_id', '=', repository)
    .where(
      'blob_id',
      'in',
      queries
        .selectFrom(listed)
        .select(either(sql<number>`listed.value`, sql<number>`cast(listed.value as bigint)`).as('id')),
    ),
)
export const insertReference = compile(
  queries
    .insertInto('manifest_reference')
    .values({
      repository_id: repository,
      child: parameter<string>('child'),
      manifest_id: parameter<number>('manifest'),
      kind: parameter<string>('kind'),
      required: parameter<number>('required'),
    })
    .onConflict((conflict) => conflict.doNothing()),
)
/** `insertReference` for a list; each element is child, kind and whether it is required. */
export const insertReferences = compile(
  queries
    .insertInto('manifest_reference')
    .columns(['repository_id', 'child', 'manifest_id', 'kind', 'required'])
    .expression(
      queries
        .selectFrom(listedRows)
        .select([
          typed<number>('repository', 'bigint').as('repository_id'),
          sql<string>`listed.value ->> 0`.as('child'),
          typed<number>('manifest', 'bigint').as('manifest_id'),
          sql<string>`listed.value ->> 1`.as('kind'),
          either(sql<number>`listed.value ->> 2`, sql<number>`cast(listed.value ->> 2 as integer)`).as(
            'required',
          ),
        ])
        // Without WHERE, SQLite parses ON CONFLICT as the ON of a join.
        .where(sql<boolean>`true`),
    )
    .onConflict((conflict) => conflict.doNothing()),
)
/** `linked`: the repository may link the child as a blob. It may link a manifest's bytes so, too, but hardly does. */
export const firstChildrenOf = compile(
  queries
    .selectFrom('manifest_reference')
    .select('child')
    .select(
      sql<number>`case when kind <> 'manifest' or exists (select 1 from blob where digest = child) then 1 else 0 end`.as(
        'linked',
      ),
    )
    .where('manifest_id', '=', parameter<number>('manifest'))
    .limit(limit),
)
export const removeReferencesOf = compile(
  queries.deleteFrom('manifest_reference').where('manifest_id', '=', parameter<number>('manifest')),
)
/** Those to the children of the list. */
export const removeReferences = compile(
  queries
    .deleteFrom('manifest_reference')
    .where('repository_id', '=', repository)
    .where('manifest_id', '=', parameter<number>('manifest'))
    .where('child', 'in', values),
)
const isOrphan = (digest: string) =>
  sql<boolean>`not exists (select 1 from manifest_reference where repository_id = ${repository} and child = ${sql.ref(digest)})`

/** Begins the grace period of the links to those of the list that no manifest refers to. */
export const noteUnreferencedAmong = compile(
  queries
    .updateTable('repository_blob')
    .set({ unreferenced_since: parameter<number>('now') })
    .where('repository_id', '=', repository)
    .where(
      'blob_id',
      'in',
      queries
        .selectFrom(listed)
        .crossJoin('blob')
        .select('blob.id')
        .whereRef('blob.digest', '=', 'listed.value')
        .where(isOrphan('listed.value')),
    ),
)
const renewUntagged = queries
  .updateTable('manifest')
  .set({ untagged_since: parameter<number>('now') })
  .where('repository_id', '=', repository)
  // The plus sign keeps SQLite from using the index of untagged manifests, which would walk all of them.
  .where(sql<boolean>`+untagged_since is not null`)

export const renewUntaggedAmong = compile(renewUntagged.where('digest', 'in', values))
/** `renewUntaggedAmong` for those of the list that no manifest refers to. */
export const renewOrphansAmong = compile(
  renewUntagged.where('digest', 'in', values.where(isOrphan('listed.value'))),
)
export const removeTags = compile(
  queries.deleteFrom('tag').where('repository_id', '=', repository).where('name', 'in', values),
)
export const referrersOfAfter = compile(
  queries
    .selectFrom('manifest')
    .select('digest')
    .where('repository_id', '=', repository)
    .where('subject', '=', parameter<string>('subject'))
    .where('digest', '>', after)
    .orderBy('digest')
    .limit(limit),
)

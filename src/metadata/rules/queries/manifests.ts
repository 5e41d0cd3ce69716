import { sql } from 'kysely'
import { compile, parameter, sqliteQueries } from './query.ts'

const queries = sqliteQueries()
/** A JSON list as rows of one column, `value`: many rows for the price of one statement. */
const listed = sql<{ value: string }>`json_each(${parameter<string>('list')})`.as('listed')
const values = queries.selectFrom(listed).select('listed.value')
const repository = parameter<number>('repository')
const limit = parameter<number>('limit')
const after = parameter<string>('after')

export const manifestByDigest = compile(
  queries
    .selectFrom('manifest')
    .select(['id', 'media_type', 'untagged_since'])
    .where('repository_id', '=', parameter<number>('repository'))
    .where('digest', '=', parameter<string>('digest')),
)
export const tagByName = compile(
  queries
    .selectFrom('tag')
    .select('manifest_id')
    .where('repository_id', '=', parameter<number>('repository'))
    .where('name', '=', parameter<string>('tag')),
)
export const anyTagOf = compile(
  queries.selectFrom('tag').select('name').where('manifest_id', '=', parameter<number>('manifest')).limit(1),
)
export const setUntagged = compile(
  queries
    .updateTable('manifest')
    .set({ untagged_since: parameter<number | null>('since') })
    .where('id', '=', parameter<number>('manifest')),
)
export const insertManifest = compile(
  queries.insertInto('manifest').values({
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
export const insertTag = compile(
  queries.insertInto('tag').values({
    repository_id: parameter<number>('repository'),
    name: parameter<string>('tag'),
    manifest_id: parameter<number>('manifest'),
    updated_at: parameter<number>('now'),
    // Not before it was removed, whatever the clock does.
    since: sql<number>`max(${parameter<number>('now')}, coalesce((select past.until from past_tag as past
      where past.repository_id = ${parameter<number>('repository')} and past.name = ${parameter<string>('tag')}
      order by past.sequence desc limit 1), 0))`,
    pusher: parameter<string | null>('pusher'),
  }),
)
export const moveTag = compile(
  queries
    .updateTable('tag')
    .set({
      manifest_id: parameter<number>('manifest'),
      updated_at: parameter<number>('now'),
      since: sql<number>`max(since, ${parameter<number>('now')})`,
      since_at_latest: 0,
      pusher: parameter<string | null>('pusher'),
    })
    .where('repository_id', '=', parameter<number>('repository'))
    .where('name', '=', parameter<string>('tag')),
)
export const renewTag = compile(
  queries
    .updateTable('tag')
    .set({ updated_at: parameter<number>('now') })
    .where('repository_id', '=', parameter<number>('repository'))
    .where('name', '=', parameter<string>('tag')),
)
export const removeTag = compile(
  queries
    .deleteFrom('tag')
    .where('repository_id', '=', parameter<number>('repository'))
    .where('name', '=', parameter<string>('tag')),
)
export const removeManifest = compile(
  queries.deleteFrom('manifest').where('id', '=', parameter<number>('manifest')),
)
export const removeBody = compile(
  queries.deleteFrom('manifest_body').where('manifest_id', '=', parameter<number>('manifest')),
)
export const manifestById = compile(
  queries
    .selectFrom('manifest')
    .select(['digest', 'size', 'media_type', 'artifact_type', 'subject'])
    .where('id', '=', parameter<number>('manifest')),
)
export const firstTagsOf = compile(
  queries
    .selectFrom('tag')
    .select('name')
    .where('manifest_id', '=', parameter<number>('manifest'))
    .orderBy('name')
    .limit(parameter<number>('limit')),
)
export const tagCountOf = compile(
  queries
    .selectFrom('tag')
    .select((expression) => expression.fn.countAll<number>().as('count'))
    .where('manifest_id', '=', parameter<number>('manifest')),
)
export const digestOfTag = compile(
  queries
    .selectFrom('tag')
    .innerJoin('manifest', 'manifest.id', 'tag.manifest_id')
    .select('manifest.digest')
    .where('tag.repository_id', '=', parameter<number>('repository'))
    .where('tag.name', '=', parameter<string>('tag')),
)

export const linkedBlob = compile(
  queries
    .selectFrom('blob')
    .innerJoin('repository_blob', 'repository_blob.blob_id', 'blob.id')
    .select(['blob.id', 'blob.digest', 'blob.size', 'repository_blob.unreferenced_since'])
    .where('blob.digest', '=', parameter<string>('digest'))
    .where('repository_blob.repository_id', '=', repository),
)
/** `linkedBlob` of a list. */
export const linkedAmong = compile(
  queries
    .selectFrom(listed)
    // Cross joins are made in the order of the text: never from all that the repository has to the list.
    .crossJoin('blob')
    .crossJoin('repository_blob')
    .select(['blob.id', 'blob.digest', 'blob.size', 'repository_blob.unreferenced_since'])
    .whereRef('blob.digest', '=', 'listed.value')
    .whereRef('repository_blob.blob_id', '=', 'blob.id')
    .where('repository_blob.repository_id', '=', repository),
)
export const manifestsAmong = compile(
  queries
    .selectFrom(listed)
    .crossJoin('manifest')
    .select(['manifest.digest', 'manifest.size'])
    .whereRef('manifest.digest', '=', 'listed.value')
    .where('manifest.repository_id', '=', repository),
)
export const setReferencedAmong = compile(
  queries
    .updateTable('repository_blob')
    .set({ unreferenced_since: parameter<number | null>('since') })
    .where('repository_id', '=', repository)
    .where('blob_id', 'in', queries.selectFrom(listed).select(sql<number>`listed.value`.as('id'))),
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
/** `insertReference` of a `list`: child, kind and whether it is required, of each. */
export const insertReferences = compile(
  queries
    .insertInto('manifest_reference')
    .columns(['repository_id', 'child', 'manifest_id', 'kind', 'required'])
    .expression(
      queries
        .selectFrom(listed)
        .select([
          sql<number>`${repository}`.as('repository_id'),
          sql<string>`listed.value ->> 0`.as('child'),
          sql<number>`${parameter<number>('manifest')}`.as('manifest_id'),
          sql<string>`listed.value ->> 1`.as('kind'),
          sql<number>`listed.value ->> 2`.as('required'),
        ])
        // SQLite would read ON CONFLICT as the ON of a join.
        .where(sql<boolean>`true`),
    )
    .onConflict((conflict) => conflict.doNothing()),
)
export const firstChildrenOf = compile(
  queries
    .selectFrom('manifest_reference')
    .select('child')
    .where('manifest_id', '=', parameter<number>('manifest'))
    .limit(limit),
)
export const removeReferences = compile(
  queries
    .deleteFrom('manifest_reference')
    .where('repository_id', '=', repository)
    .where('manifest_id', '=', parameter<number>('manifest'))
    .where('child', 'in', values),
)
/** Those that no manifest refers to. */
export const orphansAmong = compile(
  values.where(
    sql<boolean>`not exists (select 1 from manifest_reference where repository_id = ${repository} and child = listed.value)`,
  ),
)
export const renewUntaggedAmong = compile(
  queries
    .updateTable('manifest')
    .set({ untagged_since: parameter<number>('now') })
    .where('repository_id', '=', repository)
    .where('digest', 'in', values)
    // The plus keeps SQLite from walking over all that is untagged instead.
    .where(sql<boolean>`+untagged_since is not null`),
)
export const tagsOfAfter = compile(
  queries
    .selectFrom('tag')
    .select('name')
    .where('manifest_id', '=', parameter<number>('manifest'))
    .where('repository_id', '=', repository)
    .where('name', '>', after)
    .orderBy('name')
    .limit(limit),
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

import { compile, parameter, sqliteQueries } from './query.ts'

const queries = sqliteQueries()

export const manifestByDigest = compile(
  queries
    .selectFrom('manifest')
    .select(['id', 'media_type', 'untagged_since'])
    .where('repository_id', '=', parameter<number>('repository'))
    .where('digest', '=', parameter<string>('digest')),
)
export const linkedBlob = compile(
  queries
    .selectFrom('blob')
    .innerJoin('repository_blob', 'repository_blob.blob_id', 'blob.id')
    .select(['blob.id', 'repository_blob.unreferenced_since'])
    .where('blob.digest', '=', parameter<string>('digest'))
    .where('repository_blob.repository_id', '=', parameter<number>('repository')),
)
export const setReferenced = compile(
  queries
    .updateTable('repository_blob')
    .set({ unreferenced_since: parameter<number | null>('since') })
    .where('repository_id', '=', parameter<number>('repository'))
    .where('blob_id', '=', parameter<number>('blob')),
)
export const tagByName = compile(
  queries
    .selectFrom('tag')
    .select('manifest_id')
    .where('repository_id', '=', parameter<number>('repository'))
    .where('name', '=', parameter<string>('tag')),
)
export const tagsOf = compile(
  queries.selectFrom('tag').select('name').where('manifest_id', '=', parameter<number>('manifest')),
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
export const insertReference = compile(
  queries
    .insertInto('manifest_reference')
    .values({
      repository_id: parameter<number>('repository'),
      child: parameter<string>('child'),
      manifest_id: parameter<number>('manifest'),
      kind: parameter<string>('kind'),
      required: parameter<number>('required'),
    })
    .onConflict((conflict) => conflict.doNothing()),
)
export const setTag = compile(
  queries
    .insertInto('tag')
    .values({
      repository_id: parameter<number>('repository'),
      name: parameter<string>('tag'),
      manifest_id: parameter<number>('manifest'),
      updated_at: parameter<number>('now'),
    })
    .onConflict((conflict) =>
      conflict
        .columns(['repository_id', 'name'])
        .doUpdateSet({ manifest_id: parameter<number>('manifest'), updated_at: parameter<number>('now') }),
    ),
)
export const removeTag = compile(
  queries
    .deleteFrom('tag')
    .where('repository_id', '=', parameter<number>('repository'))
    .where('name', '=', parameter<string>('tag')),
)
export const removeTagsOf = compile(
  queries.deleteFrom('tag').where('manifest_id', '=', parameter<number>('manifest')),
)
export const childrenOf = compile(
  queries
    .selectFrom('manifest_reference')
    .select(['child', 'kind'])
    .where('manifest_id', '=', parameter<number>('manifest')),
)
export const removeReferencesOf = compile(
  queries.deleteFrom('manifest_reference').where('manifest_id', '=', parameter<number>('manifest')),
)
export const removeManifest = compile(
  queries.deleteFrom('manifest').where('id', '=', parameter<number>('manifest')),
)
export const removeBody = compile(
  queries.deleteFrom('manifest_body').where('manifest_id', '=', parameter<number>('manifest')),
)
export const renewUntaggedReferrers = compile(
  queries
    .updateTable('manifest')
    .set({ untagged_since: parameter<number>('now') })
    .where('repository_id', '=', parameter<number>('repository'))
    .where('subject', '=', parameter<string>('subject'))
    .where('untagged_since', 'is not', null),
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

import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Tag } from '../../oci/tag.ts'
import type { Instant } from '../records.ts'
import type { Transaction } from './change.ts'
import { compile, parameter, sqliteQueries } from './statement.ts'

// What putting and removing manifests share.

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
const tagsOf = compile(
  queries.selectFrom('tag').select('name').where('manifest_id', '=', parameter<number>('manifest')),
)
const anyTagOf = compile(
  queries.selectFrom('tag').select('name').where('manifest_id', '=', parameter<number>('manifest')).limit(1),
)
export const setUntagged = compile(
  queries
    .updateTable('manifest')
    .set({ untagged_since: parameter<number | null>('since') })
    .where('id', '=', parameter<number>('manifest')),
)

export async function touchTags(
  transaction: Transaction,
  name: RepositoryName,
  manifest: number,
): Promise<void> {
  for (const { name: tag } of await transaction.all(tagsOf, { manifest })) {
    transaction.touched.tag(name, tag as Tag)
  }
}

export async function noteUntagged(transaction: Transaction, manifest: number, now: Instant): Promise<void> {
  if ((await transaction.get(anyTagOf, { manifest })) === undefined) {
    await transaction.run(setUntagged, { manifest, since: now })
  }
}

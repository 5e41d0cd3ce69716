import { sql } from 'kysely'
import { compile, parameter, queryBuilder } from './query.ts'

const queries = queryBuilder()
const repository = parameter<number>('repository')
const limit = parameter<number>('limit')

/** Each of these reads a window of one index, and tells where the next one begins: `last` is null behind the end. */
export const tagFigures = compile(
  queries
    .selectFrom(
      queries
        .selectFrom('tag')
        .select(['name', 'updated_at'])
        .where('repository_id', '=', repository)
        .where('name', '>', parameter<string>('after'))
        .orderBy('name')
        .limit(limit)
        .as('part'),
    )
    .select([
      sql<number>`count(*)`.as('rows'),
      sql<string | null>`max(part.name)`.as('last'),
      sql<number | null>`max(part.updated_at)`.as('latest'),
    ]),
)

export const manifestFigures = compile(
  queries
    .selectFrom(
      queries
        .selectFrom('manifest')
        .select(['digest', 'size', 'pushed_at'])
        .where('repository_id', '=', repository)
        .where('digest', '>', parameter<string>('after'))
        .orderBy('digest')
        .limit(limit)
        .as('part'),
    )
    .select([
      sql<number>`count(*)`.as('rows'),
      sql<string | null>`max(part.digest)`.as('last'),
      sql<number | null>`max(part.pushed_at)`.as('latest'),
      sql<number>`coalesce(sum(part.size), 0)`.as('bytes'),
    ]),
)

/** Blobs that a manifest of the repository refers to. */
export const blobFigures = compile(
  queries
    .selectFrom(
      queries
        .selectFrom('repository_blob as link')
        .innerJoin('blob', 'blob.id', 'link.blob_id')
        .select(['link.blob_id', 'link.unreferenced_since', 'blob.size'])
        .where('link.repository_id', '=', repository)
        .where('link.blob_id', '>', parameter<number>('after'))
        .orderBy('link.blob_id')
        .limit(limit)
        .as('part'),
    )
    .select([
      sql<number>`count(*)`.as('rows'),
      sql<number | null>`max(part.blob_id)`.as('last'),
      sql<number>`coalesce(sum(case when part.unreferenced_since is null then part.size else 0 end), 0)`.as(
        'bytes',
      ),
    ]),
)

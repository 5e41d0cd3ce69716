import { sql } from 'kysely'
import { namedRepository } from './named-repository.ts'
import { compile, parameter, queryBuilder } from './query.ts'

const queries = queryBuilder()
const repository = parameter<number>('repository')
const tag = parameter<string>('tag')
const manifest = parameter<number>('manifest')

/**
 * The tag with the digest of its target, or else (`manifest_id` is null) its last removal as the past of a new tag:
 * `since` is when its last target ended.
 */
export const tagEver = compile(
  queries
    .selectFrom('tag')
    .innerJoin('manifest', 'manifest.id', 'tag.manifest_id')
    .select([
      sql<number | null>`tag.manifest_id`.as('manifest_id'),
      sql<string | null>`manifest.digest`.as('digest'),
      'tag.since',
      'tag.since_at_latest',
      'tag.pusher',
      'tag.past_id',
      'tag.moves',
    ])
    .where('tag.repository_id', '=', namedRepository)
    .where('tag.name', '=', tag)
    .unionAll(
      queries
        .selectFrom(
          queries
            .selectFrom('past_tag')
            .select(['id', 'sequence', 'until'])
            .where('repository_id', '=', namedRepository)
            .where('name', '=', tag)
            .where('removal', 'is not', null)
            .where(
              sql<boolean>`not exists (select 1 from tag where repository_id = ${namedRepository} and name = ${tag})`,
            )
            .orderBy('id', 'desc')
            .limit(1)
            .as('last'),
        )
        .select([
          sql<number | null>`null`.as('manifest_id'),
          sql<string | null>`null`.as('digest'),
          'last.until as since',
          sql<number>`0`.as('since_at_latest'),
          sql<string | null>`null`.as('pusher'),
          sql<number | null>`last.id`.as('past_id'),
          'last.sequence as moves',
        ]),
    ),
)
export const insertTag = compile(
  queries.insertInto('tag').values({
    repository_id: repository,
    name: tag,
    manifest_id: manifest,
    updated_at: parameter<number>('now'),
    since: parameter<number>('since'),
    past_id: parameter<number | null>('past'),
    moves: parameter<number>('moves'),
    pusher: parameter<string | null>('pusher'),
  }),
)
export const moveTag = compile(
  queries
    .updateTable('tag')
    .set({
      manifest_id: manifest,
      updated_at: parameter<number>('now'),
      since: parameter<number>('since'),
      since_at_latest: 0,
      pusher: parameter<string | null>('pusher'),
      past_id: parameter<number>('past'),
      moves: parameter<number>('moves'),
    })
    .where('repository_id', '=', repository)
    .where('name', '=', tag),
)
export const renewTag = compile(
  queries
    .updateTable('tag')
    .set({ updated_at: parameter<number>('now') })
    .where('repository_id', '=', repository)
    .where('name', '=', tag),
)
export const removeTag = compile(
  queries.deleteFrom('tag').where('repository_id', '=', repository).where('name', '=', tag),
)
export const tagCountOf = compile(
  queries
    .selectFrom('tag')
    .select((expression) => expression.fn.countAll<number>().as('count'))
    .where('manifest_id', '=', manifest),
)
export const tagsOfAfter = compile(
  queries
    .selectFrom('tag')
    .select('name')
    .where('manifest_id', '=', manifest)
    .where('repository_id', '=', repository)
    .where('name', '>', parameter<string>('after'))
    .orderBy('name')
    .limit(parameter<number>('limit')),
)

import { sql, type RawBuilder } from 'kysely'
import { fewValues } from './engines.ts'
import { compile, either, parameter, queryBuilder, typed } from './query.ts'

const queries = queryBuilder()
const repository = parameter<number>('repository')
const digest = parameter<string>('digest')
const tag = parameter<string>('tag')
const limit = parameter<number>('limit')
const now = parameter<number>('now')
const sequence = parameter<number>('sequence')
const list = parameter<string>('list')
const listed = either(
  sql<{ value: string }>`json_each(${list})`,
  sql<{
    value: string
  }>`(select value, ordinality from jsonb_array_elements_text(cast(${list} as jsonb)) with ordinality where ${fewValues})`,
).as('listed')
/** The position of an element, from 1. */
const position = either(sql<number>`listed.key + 1`, sql<number>`listed.ordinality`)

// Of manifests: a manifest that exists has its first_seen in its own row. A row is written here when the
// manifest is removed, and deleted when it is pushed again.

export const removePastManifest = compile(
  queries.deleteFrom('past_manifest').where('repository_id', '=', repository).where('digest', '=', digest),
)
export const keepManifest = compile(
  queries
    .insertInto('past_manifest')
    .columns(['repository_id', 'digest', 'sequence', 'first_seen', 'seen_at_latest', 'pusher', 'removed_at'])
    .expression(
      queries
        .selectFrom('manifest')
        .select([
          'repository_id',
          'digest',
          sql<number>`1 + coalesce((select max(sequence) from past_manifest where repository_id = ${repository}), 0)`.as(
            'sequence',
          ),
          'first_seen',
          'seen_at_latest',
          'pusher',
          typed<number>('now', 'bigint').as('removed_at'),
        ])
        .where('id', '=', parameter<number>('manifest')),
    ),
)
/**
 * The rows of the repository up to a sequence. While the table is small, PostgreSQL would rather walk the primary key,
 * and go on so when it has grown: the order leaves it the index of sequences.
 */
const upTo = (last: RawBuilder<number>) =>
  either(
    sql<boolean>`repository_id = ${repository} and sequence <= ${last}`,
    sql<boolean>`ctid = any (array(select ctid from past_manifest
      where repository_id = ${repository} and sequence <= ${last} order by sequence))`,
  )
/** Deletes all but the last `kept`. */
export const forgetOldestManifests = compile(
  queries
    .deleteFrom('past_manifest')
    .where(
      upTo(
        sql`(select max(sequence) from past_manifest where repository_id = ${repository}) - ${parameter<number>('kept')}`,
      ),
    ),
)
export const oldestManifests = compile(
  queries
    .selectFrom('past_manifest')
    .select(['sequence', 'removed_at'])
    .where('repository_id', '=', repository)
    .orderBy('sequence')
    .limit(limit),
)
export const forgetManifestsTo = compile(queries.deleteFrom('past_manifest').where(upTo(sql`${sequence}`)))

// Of tags: the current target is in the tag's own row. A row is written here when that target ends.

/** Writes a row for the current target of a tag that moves; the values come from the row of the tag. */
export const keepMove = compile(
  queries.insertInto('past_tag').values({
    past_id: parameter<number | null>('past'),
    sequence: parameter<number>('sequence'),
    digest: sql<string>`(select digest from manifest where id = ${parameter<number>('manifest')})`,
    since: parameter<number>('since'),
    since_at_latest: parameter<number>('atLatest'),
    pusher: parameter<string | null>('pusher'),
    until: parameter<number>('until'),
  }),
  { id: 'told' },
)
/** Writes a row for each tag of `list`. The times of a tag never go back, even if the clock does. */
export const keepRemovals = compile(
  queries
    .insertInto('past_tag')
    .columns([
      'past_id',
      'sequence',
      'digest',
      'since',
      'since_at_latest',
      'pusher',
      'until',
      'repository_id',
      'name',
      'removal',
    ])
    .expression(
      queries
        .selectFrom(listed)
        // SQLite runs cross joins in the order in which they are written.
        .crossJoin('tag')
        .crossJoin('manifest')
        .select([
          'tag.past_id',
          sql<number>`tag.moves + 1`.as('sequence'),
          'manifest.digest',
          'tag.since',
          'tag.since_at_latest',
          'tag.pusher',
          either(sql<number>`max(tag.since, ${now})`, sql<number>`greatest(tag.since, ${now})`).as('until'),
          'tag.repository_id',
          'tag.name',
          sql<number>`${position} + coalesce((select max(past.removal) from past_tag as past
            where past.repository_id = ${repository} and past.removal is not null), 0)`.as('removal'),
        ])
        .where('tag.repository_id', '=', repository)
        .whereRef('tag.name', '=', 'listed.value')
        .whereRef('manifest.id', '=', 'tag.manifest_id'),
    ),
)
/** Follows the chain from row `id` to the earlier targets, and deletes all but the first `kept` rows. */
export const forgetMoves = compile(
  queries.deleteFrom('past_tag').where(
    sql<boolean>`id in (
      with recursive chain (id, steps) as (
        select ${typed<number>('id', 'bigint')}, 0
        union all
        select past.past_id, chain.steps + 1 from chain join past_tag as past on past.id = chain.id
      )
      select chain.id from chain where chain.steps >= ${parameter<number>('kept')})`,
  ),
)
export const lastRemoval = compile(
  queries
    .selectFrom('past_tag')
    .select('removal')
    .where('repository_id', '=', repository)
    .where('removal', 'is not', null)
    .orderBy('removal', 'desc')
    .limit(1),
)
export const oldestRemovals = compile(
  queries
    .selectFrom('past_tag')
    .select(['id', 'name', 'until'])
    .where('repository_id', '=', repository)
    .where('removal', '<=', parameter<number>('to'))
    .orderBy('removal')
    .limit(limit),
)
/** To be called before the row is deleted: SQLite may give its id to another row. */
export const forgetPast = compile(
  queries
    .updateTable('tag')
    .set({ past_id: null })
    .where('repository_id', '=', repository)
    .where('name', '=', tag)
    .where('past_id', '=', parameter<number>('id')),
)

/** Reads a window of repositories, like `repositoriesByUse`, with the times of their oldest removals. */
export const historyByRepository = compile(
  queries
    .selectFrom('repository')
    .select(['id', 'name'])
    .select([
      sql<
        number | null
      >`(select removed_at from past_manifest where repository_id = repository.id order by sequence limit 1)`.as(
        'manifest_removed_at',
      ),
      sql<
        number | null
      >`(select until from past_tag where repository_id = repository.id and removal is not null order by removal limit 1)`.as(
        'tag_removed_at',
      ),
    ])
    .where('id', '>', parameter<number>('afterId'))
    .orderBy('id')
    .limit(limit),
)

// Reads.

const name = parameter<string>('name')

/**
 * Reads the existing manifest or its history: one row at most, since the history row is deleted when the
 * manifest is pushed again.
 */
export const seenManifest = compile(
  queries
    .selectFrom('repository')
    .innerJoin('manifest', 'manifest.repository_id', 'repository.id')
    .select([
      'manifest.first_seen',
      'manifest.seen_at_latest',
      'manifest.pusher',
      sql<number | null>`null`.as('removed_at'),
    ])
    .where('repository.name', '=', name)
    .where('manifest.digest', '=', digest)
    .unionAll(
      queries
        .selectFrom('repository')
        .innerJoin('past_manifest as past', 'past.repository_id', 'repository.id')
        .select(['past.first_seen', 'past.seen_at_latest', 'past.pusher', 'past.removed_at'])
        .where('repository.name', '=', name)
        .where('past.digest', '=', digest),
    ),
)

const pastColumns = [
  'past.past_id',
  'past.sequence',
  'past.digest',
  'past.since',
  'past.since_at_latest',
  'past.pusher',
  'past.until',
  'past.removal',
] as const

/** One statement reads all rows, so that no push comes in between. */
export const tagTargets = compile(
  queries
    .withRecursive('target', (recursive) =>
      recursive
        .selectFrom('repository')
        .innerJoin('tag', 'tag.repository_id', 'repository.id')
        .innerJoin('manifest', 'manifest.id', 'tag.manifest_id')
        .select([
          'tag.past_id',
          sql<number>`tag.moves + 1`.as('sequence'),
          'manifest.digest',
          'tag.since',
          'tag.since_at_latest',
          'tag.pusher',
          sql<number | null>`null`.as('until'),
          sql<number | null>`null`.as('removal'),
          sql<number>`0`.as('steps'),
        ])
        .where('repository.name', '=', name)
        .where('tag.name', '=', tag)
        .unionAll(
          recursive
            .selectFrom('repository')
            .innerJoin('past_tag as past', (join) =>
              join.on(
                sql<boolean>`past.id = (select last.id from past_tag as last
                  where last.repository_id = repository.id and last.name = ${tag} and last.removal is not null
                  order by last.id desc limit 1)`,
              ),
            )
            .select([...pastColumns, sql<number>`1`.as('steps')])
            .where('repository.name', '=', name)
            .where(
              sql<boolean>`not exists (select 1 from tag where tag.repository_id = repository.id and tag.name = ${tag})`,
            ),
        )
        .unionAll(
          recursive
            .selectFrom('target')
            .innerJoin('past_tag as past', 'past.id', 'target.past_id')
            .select([...pastColumns, sql<number>`target.steps + 1`.as('steps')])
            .where('target.steps', '<', parameter<number>('moves')),
        ),
    )
    .selectFrom('target')
    .select(['sequence', 'digest', 'since', 'since_at_latest', 'pusher', 'until', 'removal']),
)

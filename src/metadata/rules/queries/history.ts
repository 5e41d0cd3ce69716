import { sql } from 'kysely'
import { compile, parameter, sqliteQueries } from './query.ts'

const queries = sqliteQueries()
const repository = parameter<number>('repository')
const digest = parameter<string>('digest')
const tag = parameter<string>('tag')
const limit = parameter<number>('limit')
const sequence = parameter<number>('sequence')
const listed = sql<{ value: string }>`json_each(${parameter<string>('list')})`.as('listed')

// Of manifests: what is there says itself since when. A row is written where it goes, and taken back where it comes again.

export const pastManifest = compile(
  queries
    .selectFrom('past_manifest')
    .select(['first_seen', 'seen_at_latest', 'pusher'])
    .where('repository_id', '=', repository)
    .where('digest', '=', digest),
)
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
          sql<number>`${parameter<number>('now')}`.as('removed_at'),
        ])
        .where('id', '=', parameter<number>('manifest')),
    ),
)
/** All but the last `kept`. */
export const forgetOldestManifests = compile(
  queries
    .deleteFrom('past_manifest')
    .where('repository_id', '=', repository)
    .where(
      'sequence',
      '<=',
      sql<number>`(select max(sequence) from past_manifest where repository_id = ${repository}) - ${parameter<number>('kept')}`,
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
export const forgetManifestsTo = compile(
  queries
    .deleteFrom('past_manifest')
    .where('repository_id', '=', repository)
    .where('sequence', '<=', sequence),
)

// Of tags: what is now stands in the tag. A row is written where that ends.

/** Of each tag of a `list`; `removed`: 0 where it is moved. Times of a tag do not go back, whatever the clock does. */
export const keepTags = compile(
  queries
    .insertInto('past_tag')
    .columns([
      'repository_id',
      'name',
      'sequence',
      'digest',
      'since',
      'since_at_latest',
      'pusher',
      'until',
      'removal',
    ])
    .expression(
      queries
        .selectFrom(listed)
        // Cross joins are made in the order of the text.
        .crossJoin('tag')
        .crossJoin('manifest')
        .select([
          'tag.repository_id',
          'tag.name',
          sql<number>`1 + coalesce((select max(past.sequence) from past_tag as past
            where past.repository_id = tag.repository_id and past.name = tag.name), 0)`.as('sequence'),
          'manifest.digest',
          'tag.since',
          'tag.since_at_latest',
          'tag.pusher',
          sql<number>`max(tag.since, ${parameter<number>('now')})`.as('until'),
          sql<
            number | null
          >`case when ${parameter<number>('removed')} = 1 then listed.key + 1 + coalesce((select max(past.removal) from past_tag as past
            where past.repository_id = ${repository} and past.removal is not null), 0) end`.as('removal'),
        ])
        .where('tag.repository_id', '=', repository)
        .whereRef('tag.name', '=', 'listed.value')
        .whereRef('manifest.id', '=', 'tag.manifest_id'),
    ),
)
/** Of each tag of a `list` the one row that is too many. */
export const forgetOldestMoves = compile(
  queries.deleteFrom('past_tag').where(
    sql<boolean>`(repository_id, name, sequence) in (
        select ${repository}, listed.value, (select max(past.sequence) from past_tag as past
          where past.repository_id = ${repository} and past.name = listed.value) - ${parameter<number>('kept')}
        from json_each(${parameter<string>('list')}) as listed)`,
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
    .select(['name', 'sequence', 'until', 'removal'])
    .where('repository_id', '=', repository)
    .where('removal', '<=', parameter<number>('to'))
    .orderBy('removal')
    .limit(limit),
)
/** With the moves before. */
export const forgetMovesTo = compile(
  queries
    .deleteFrom('past_tag')
    .where('repository_id', '=', repository)
    .where('name', '=', tag)
    .where('sequence', '<=', sequence),
)

/** A window of all repositories, as for those that are empty, with the time of the oldest removals. */
export const historyByRepository = compile(
  queries
    .selectFrom('repository')
    .select('id')
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

// What is asked.

const name = parameter<string>('name')

/** Of what is there, else of what was: one row at most, since what comes again is taken back. */
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
/** What it points to now has no sequence. One statement, so that no push comes between. */
export const tagTargets = compile(
  queries
    .selectFrom('repository')
    .innerJoin('tag', 'tag.repository_id', 'repository.id')
    .innerJoin('manifest', 'manifest.id', 'tag.manifest_id')
    .select([
      sql<number | null>`null`.as('sequence'),
      'manifest.digest',
      'tag.since',
      'tag.since_at_latest',
      'tag.pusher',
      sql<number | null>`null`.as('until'),
      sql<number | null>`null`.as('removal'),
    ])
    .where('repository.name', '=', name)
    .where('tag.name', '=', tag)
    .unionAll(
      queries
        .selectFrom('repository')
        .innerJoin('past_tag as past', 'past.repository_id', 'repository.id')
        .select([
          'past.sequence',
          'past.digest',
          'past.since',
          'past.since_at_latest',
          'past.pusher',
          'past.until',
          'past.removal',
        ])
        .where('repository.name', '=', name)
        .where('past.name', '=', tag),
    ),
)

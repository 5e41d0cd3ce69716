import { sql } from 'kysely'
import { compile, parameter, queryBuilder } from './query.ts'

const queries = queryBuilder()

export const insertRobot = compile(
  queries
    .insertInto('robot')
    .values({
      name: parameter<string>('name'),
      description: parameter<string | null>('description'),
      secret_hash: parameter<string>('secretHash'),
      credential_id: parameter<string>('credentialId'),
      grants: parameter<string>('grants'),
      created_at: parameter<number>('createdAt'),
      expires_at: parameter<number | null>('expiresAt'),
    })
    .onConflict((conflict) => conflict.column('name').doNothing()),
)
export const deleteRobot = compile(queries.deleteFrom('robot').where('name', '=', parameter<string>('name')))
export const newerKey = compile(
  queries
    .selectFrom('signing_key')
    .select('id')
    .where('created_at', '>', parameter<number>('unlessNewerThan'))
    .limit(1),
)
export const insertKey = compile(
  queries
    .insertInto('signing_key')
    .values({
      id: parameter<string>('id'),
      private_key: parameter<string>('privateKey'),
      created_at: parameter<number>('createdAt'),
    })
    .onConflict((conflict) => conflict.column('id').doNothing()),
)
/** A key is followed by the next newer one. */
export const deleteOldKeys = compile(
  queries.deleteFrom('signing_key').where('created_at', '<', ({ selectFrom }) =>
    selectFrom('signing_key as next')
      .select(({ fn }) => fn.max('next.created_at').as('latest'))
      .where('next.created_at', '<', parameter<number>('followedBefore')),
  ),
)
export const upsertLoginSource = compile(
  queries
    .insertInto('login_source')
    .values({
      name: parameter<string>('name'),
      network: parameter<string>('network'),
      seen_at: parameter<number>('seenAt'),
    })
    .onConflict((conflict) =>
      conflict.columns(['name', 'network']).doUpdateSet({ seen_at: parameter<number>('seenAt') }),
    ),
)
export const deleteOldLoginSources = compile(
  queries.deleteFrom('login_source').where('seen_at', '<', parameter<number>('forgetBefore')),
)
export const deleteSurplusLoginSources = compile(
  queries
    .deleteFrom('login_source')
    .where('name', '=', parameter<string>('name'))
    .where('network', 'not in', (inner) =>
      inner
        .selectFrom('login_source as kept')
        .select('kept.network')
        .where('kept.name', '=', parameter<string>('name'))
        // A sum: along the index of the times, PostgreSQL would walk the sources of all names.
        .orderBy(sql`kept.seen_at + 0`, 'desc')
        .limit(parameter<number>('most')),
    ),
)

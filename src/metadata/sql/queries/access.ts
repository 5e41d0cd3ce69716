import { compile, parameter, sqliteQueries } from './query.ts'

const queries = sqliteQueries()

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
export const deleteOldKeys = compile(
  queries.deleteFrom('signing_key').where('created_at', '<', parameter<number>('forgetBefore')),
)

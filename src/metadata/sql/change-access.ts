import type { RobotRecord, SigningKeyRecord } from '../access-store.ts'
import type { Noted } from '../outbox.ts'
import type { Instant } from '../records.ts'
import { durable, type Transaction } from './change.ts'
import { noteChange } from './change-outbox.ts'
import { compile, parameter, sqliteQueries } from './statement.ts'

const queries = sqliteQueries()

const insertRobot = compile(
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
const deleteRobot = compile(queries.deleteFrom('robot').where('name', '=', parameter<string>('name')))

const newerKey = compile(
  queries
    .selectFrom('signing_key')
    .select('id')
    .where('created_at', '>', parameter<number>('unlessNewerThan'))
    .limit(1),
)
const insertKey = compile(
  queries
    .insertInto('signing_key')
    .values({
      id: parameter<string>('id'),
      private_key: parameter<string>('privateKey'),
      created_at: parameter<number>('createdAt'),
    })
    .onConflict((conflict) => conflict.column('id').doNothing()),
)
const deleteOldKeys = compile(
  queries.deleteFrom('signing_key').where('created_at', '<', parameter<number>('forgetBefore')),
)

export const addRobot = durable(
  async (
    transaction: Transaction,
    { noted, ...robot }: RobotRecord & { readonly noted: Noted },
  ): Promise<boolean> => {
    const { changes } = await transaction.run(insertRobot, {
      ...robot,
      description: robot.description ?? null,
      expiresAt: robot.expiresAt ?? null,
    })
    if (changes > 0) {
      const { grants, expiresAt = null } = robot
      await noteChange(transaction, noted, () => ({ grants, expiresAt }))
    }
    return changes > 0
  },
)

export const removeRobot = durable(
  async (
    transaction: Transaction,
    { name, noted }: { readonly name: string; readonly noted: Noted | undefined },
  ): Promise<boolean> => {
    const { changes } = await transaction.run(deleteRobot, { name })
    if (changes > 0 && noted !== undefined) await noteChange(transaction, noted, () => ({}))
    return changes > 0
  },
)

export const rotateSigningKey = durable(
  async (
    transaction: Transaction,
    rotation: {
      readonly key: SigningKeyRecord
      readonly unlessNewerThan: Instant
      readonly forgetBefore: Instant
    },
  ): Promise<void> => {
    const { key, unlessNewerThan, forgetBefore } = rotation
    if ((await transaction.get(newerKey, { unlessNewerThan })) === undefined) {
      await transaction.run(insertKey, { ...key })
    }
    await transaction.run(deleteOldKeys, { forgetBefore })
  },
)

import type { LoginSourceRecord, RobotRecord, SigningKeyRecord } from '../access-store.ts'
import type { Noted } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import { durable, relaxed, type Transaction } from './change.ts'
import { noteChange } from './change-outbox.ts'
import {
  deleteOldKeys,
  deleteOldLoginSources,
  deleteRobot,
  deleteSurplusLoginSources,
  insertKey,
  insertRobot,
  newerKey,
  upsertLoginSource,
} from './statements/access.ts'

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

export const saveLoginSource = relaxed(
  async (
    transaction: Transaction,
    source: LoginSourceRecord & { readonly most: number; readonly forgetBefore: Instant },
  ): Promise<void> => {
    const { name, network, seenAt, most, forgetBefore } = source
    await transaction.run(upsertLoginSource, { name, network, seenAt })
    await transaction.run(deleteSurplusLoginSources, { name, most })
    await transaction.run(deleteOldLoginSources, { forgetBefore })
  },
)

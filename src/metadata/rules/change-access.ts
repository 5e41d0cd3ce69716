import type { LoginSourceRecord, RobotRecord, SigningKeyRecord } from '../access-store.ts'
import type { AuditedChange } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import { durable, relaxed, type Transaction } from './change.ts'
import { auditChange } from './change-outbox.ts'
import { alone, none } from './locks.ts'
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
  { locks: none },
  async (
    transaction: Transaction,
    { audited, ...robot }: RobotRecord & { readonly audited: AuditedChange },
  ): Promise<boolean> => {
    const { changes } = await transaction.run(insertRobot, {
      ...robot,
      description: robot.description ?? null,
      expiresAt: robot.expiresAt ?? null,
    })
    if (changes > 0) {
      const { grants, expiresAt = null } = robot
      await auditChange(transaction, audited, () => ({ grants, expiresAt }))
    }
    return changes > 0
  },
)

export const removeRobot = durable(
  { locks: none },
  async (
    transaction: Transaction,
    { name, audited }: { readonly name: string; readonly audited: AuditedChange | undefined },
  ): Promise<boolean> => {
    const { changes } = await transaction.run(deleteRobot, { name })
    if (changes > 0 && audited !== undefined) await auditChange(transaction, audited, () => ({}))
    return changes > 0
  },
)

export const rotateSigningKey = durable(
  { locks: () => [alone('signing keys')] },
  async (
    transaction: Transaction,
    rotation: {
      readonly key: SigningKeyRecord
      readonly rotateAfter: number
      readonly forgetAfter: number
    },
  ): Promise<void> => {
    const { key, rotateAfter, forgetAfter } = rotation
    const createdAt = await transaction.clock(key.createdAt)
    if ((await transaction.get(newerKey, { unlessNewerThan: createdAt - rotateAfter })) === undefined) {
      transaction.send(insertKey, { ...key, createdAt })
    }
    transaction.send(deleteOldKeys, { followedBefore: createdAt - forgetAfter })
  },
)

export const saveLoginSource = relaxed(
  { locks: () => [alone('login sources')] },
  async (
    transaction: Transaction,
    source: LoginSourceRecord & { readonly most: number; readonly forgetBefore: Instant },
  ): Promise<void> => {
    const { name, network, seenAt, most, forgetBefore } = source
    transaction.send(upsertLoginSource, { name, network, seenAt })
    transaction.send(deleteSurplusLoginSources, { name, most })
    transaction.send(deleteOldLoginSources, { forgetBefore })
  },
)

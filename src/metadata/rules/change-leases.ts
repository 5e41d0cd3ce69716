import type { Instant } from '../../instant.ts'
import type { GarbageNotes, Lease, LeaseTerm } from '../garbage-store.ts'
import { LeaseLost } from '../lease-lost.ts'
import { durable, relaxed, type Transaction } from './change.ts'
import { alone, none, type LockKey } from './locks.ts'
import * as statements from './statements/garbage.ts'
import { putSetting, settingByName } from './statements/settings.ts'

const locksOfLease = ({ name }: Pick<Lease, 'name'>): readonly LockKey[] => [alone(`lease:${name}`)]

export const acquireLease = relaxed(
  { locks: locksOfLease },
  async (transaction: Transaction, lease: LeaseTerm): Promise<boolean> => {
    const { name, holder, ttl } = lease
    const now = await transaction.clock(lease.now)
    const current = await transaction.get(statements.leaseByName, { name })
    if (current !== undefined && current.holder !== holder && current.expires_at > now) return false
    transaction.send(statements.putLease, { name, holder, expires: now + ttl })
    return true
  },
)

/** Unlike `acquireLease`, it never takes back a lease that another holder has taken meanwhile. */
export const renewLease = relaxed(
  { locks: locksOfLease },
  async (transaction: Transaction, lease: LeaseTerm): Promise<boolean> => {
    const { name, holder, ttl } = lease
    const now = await transaction.clock(lease.now)
    if ((await transaction.get(statements.leaseByName, { name }))?.holder !== holder) return false
    transaction.send(statements.putLease, { name, holder, expires: now + ttl })
    return true
  },
)

export const releaseLease = relaxed(
  { locks: locksOfLease },
  async (transaction: Transaction, { name, holder }: Lease): Promise<void> => {
    transaction.send(statements.deleteLease, { name, holder })
  },
)

/**
 * Whoever wants to take the lease waits until this transaction is over. Throws LeaseLost if somebody has taken it
 * already: nothing that the transaction did stays.
 */
export async function keepLease(transaction: Transaction, lease: Lease | undefined): Promise<void> {
  if (lease === undefined) return
  const row = await transaction.get(statements.leaseToKeep, { name: lease.name })
  if (row?.holder !== lease.holder) throw new LeaseLost()
}

/** Holds JSON of `GarbageNotes`. */
const notesSetting = 'garbage-clock'

export async function garbageNotes(database: Pick<Transaction, 'get'>): Promise<GarbageNotes> {
  const row = await database.get(settingByName, { name: notesSetting })
  return row === undefined ? {} : (JSON.parse(row.value) as GarbageNotes)
}

export const noteGarbage = relaxed(
  { locks: () => [alone(notesSetting)] },
  async (
    transaction: Transaction,
    { notes, lease }: { readonly notes: Partial<GarbageNotes>; readonly lease?: Lease },
  ): Promise<void> => {
    await keepLease(transaction, lease)
    const value = JSON.stringify({ ...(await garbageNotes(transaction)), ...notes })
    transaction.send(putSetting, { name: notesSetting, value })
  },
)

/** Writes a value durably, to check that writing works. */
export const probe = durable(
  { locks: none },
  async (transaction: Transaction, { now }: { readonly now: Instant }): Promise<void> => {
    transaction.send(putSetting, { name: 'probe', value: String(now) })
  },
)

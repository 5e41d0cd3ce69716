import { OciError } from '../../oci/oci-error.ts'
import type { ChangeNote, Facts } from '../outbox.ts'
import type { Instant } from '../records.ts'
import { durable, relaxed, type Transaction } from './change.ts'
import { forgetNotes, insertNote, outboxState } from './statements/outbox.ts'
import { addSetting, putSetting, removeSetting } from './statements/settings.ts'

export const auditKeySetting = 'audit-key'
const unrecordedSetting = 'audit-unrecorded'

export function headSetting(log: string): string {
  return `audit-head-${log}`
}

/** How much may wait for the log, and what a change does beyond it. */
export interface OutboxBound {
  readonly rows: number
  readonly bytes: number
  /** `refuse`: OciError UNAVAILABLE; `allow`: it goes on and is only counted. */
  readonly beyond: 'refuse' | 'allow'
}

export const defaultOutboxBound: OutboxBound = { rows: 200_000, bytes: 256 * 1024 * 1024, beyond: 'refuse' }

/** Changes of whom nobody will know more than how many they were, and when. */
export interface Unrecorded {
  readonly count: number
  readonly since: Instant
  readonly until: Instant
}

/** Writes the note of a change into the change's own transaction. `facts` are asked for only where there is a note. */
export async function noteChange(
  transaction: Transaction,
  change: { readonly note?: ChangeNote | undefined; readonly now: Instant },
  facts: () => Facts | Promise<Facts>,
): Promise<void> {
  if (change.note === undefined) return
  await addNote(transaction, { note: change.note, facts: await facts(), now: change.now })
}

async function addNote(
  transaction: Transaction,
  {
    note,
    facts,
    now,
  }: { readonly note: ChangeNote; readonly facts: Facts | undefined; readonly now: Instant },
): Promise<void> {
  const { bound } = transaction
  const state = await outbox(transaction)
  if (state.rows >= bound.rows || state.bytes >= bound.bytes) {
    if (bound.beyond === 'refuse') throw notRecordable()
    return countUnrecorded(transaction, { count: 1, since: now, until: now })
  }
  const total = await reportUnrecorded(transaction, state)
  await insert(transaction, { note, facts, before: total })
}

interface OutboxState {
  readonly rows: number
  readonly bytes: number
  /** Of the newest row. */
  readonly total: number
  readonly unrecorded: Unrecorded | undefined
}

async function outbox(transaction: Transaction): Promise<OutboxState> {
  const row = await transaction.get(outboxState, { name: unrecordedSetting })
  const { firstId, firstTotal, lastId, lastTotal, unrecorded } = row ?? {}
  return {
    rows: typeof firstId === 'number' && typeof lastId === 'number' ? lastId - firstId + 1 : 0,
    bytes: (lastTotal ?? 0) - (firstTotal ?? 0),
    total: lastTotal ?? 0,
    unrecorded: typeof unrecorded === 'string' ? (JSON.parse(unrecorded) as Unrecorded) : undefined,
  }
}

/** The total with it. */
async function insert(
  transaction: Transaction,
  row: { readonly note: ChangeNote | null; readonly facts: Facts | undefined; readonly before: number },
): Promise<number> {
  const { note, before } = row
  const facts = row.facts === undefined ? null : JSON.stringify(row.facts)
  const total = before + (note?.length ?? 0) + (facts?.length ?? 0)
  await transaction.run(insertNote, { note, facts, total })
  return total
}

async function countUnrecorded(transaction: Transaction, more: Unrecorded): Promise<void> {
  const { unrecorded: known } = await outbox(transaction)
  const all: Unrecorded = {
    count: (known?.count ?? 0) + more.count,
    since: Math.min(known?.since ?? more.since, more.since),
    until: Math.max(known?.until ?? more.until, more.until),
  }
  await transaction.run(putSetting, { name: unrecordedSetting, value: JSON.stringify(all) })
}

/** What went unrecorded becomes a row of its own, before the next note. The total with it. */
async function reportUnrecorded(transaction: Transaction, state: OutboxState): Promise<number> {
  const { unrecorded, total } = state
  if (unrecorded === undefined) return total
  await transaction.run(removeSetting, { name: unrecordedSetting })
  return insert(transaction, { note: null, facts: { unrecorded }, before: total })
}

function notRecordable(): OciError {
  return new OciError('UNAVAILABLE', 'the audit log cannot be written', {
    detail:
      'changes are refused rather than go unrecorded; pulls go on. The operator finds the reason in the log of the registry',
  })
}

export const recordNotes = durable(
  async (
    transaction: Transaction,
    { notes, now }: { readonly notes: readonly ChangeNote[]; readonly now: Instant },
  ): Promise<void> => {
    for (const note of notes) await addNote(transaction, { note, facts: undefined, now })
  },
)

/** For changes that went on although not even their row could be written. */
export const recordUnrecorded = durable(async (transaction: Transaction, gap: Unrecorded): Promise<void> =>
  countUnrecorded(transaction, gap),
)

/** Need not survive a power cut: what comes back is known by its id. */
export const forgetNoted = relaxed(
  async (transaction: Transaction, { upTo }: { readonly upTo: number }): Promise<void> => {
    await transaction.run(forgetNotes, { upTo })
    await reportUnrecorded(transaction, await outbox(transaction))
  },
)

export const saveHead = relaxed(
  async (
    transaction: Transaction,
    { log, head }: { readonly log: string; readonly head: string },
  ): Promise<void> => {
    await transaction.run(putSetting, { name: headSetting(log), value: head })
  },
)

/** The first one stays. */
export const saveAuditKey = durable(
  async (transaction: Transaction, { key }: { readonly key: string }): Promise<void> => {
    await transaction.run(addSetting, { name: auditKeySetting, value: key })
  },
)

import { OciError } from '../../oci/oci-error.ts'
import type { ChangeNote, Facts } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import type { OutboxBound } from './outbox-bound.ts'
import { durable, relaxed, type Transaction } from './change.ts'
import {
  denialsState,
  forgetDenials,
  forgetNotes,
  insertDenial,
  insertNote,
  outboxState,
} from './statements/outbox.ts'
import { addSetting, putSetting, removeSetting } from './statements/settings.ts'

export const auditKeySetting = 'audit-key'

export function headSetting(log: string): string {
  return `audit-head-${log}`
}

type Kind = Exclude<keyof OutboxBound, 'beyond'>

const queues = {
  changes: {
    state: outboxState,
    insert: insertNote,
    forget: forgetNotes,
    unrecorded: 'audit-unrecorded',
    detail:
      'changes are refused rather than go unrecorded; pulls go on. The operator finds the reason in the log of the registry',
  },
  denials: {
    state: denialsState,
    insert: insertDenial,
    forget: forgetDenials,
    unrecorded: 'audit-unrecorded-denials',
    detail:
      'the request was denied, and so many denials wait for the log that this one cannot be recorded. The operator finds the reason in the log of the registry',
  },
} as const

/** Changes or denials of whom nobody will know more than how many they were, and when. */
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
  await addNote(transaction, 'changes', { note: change.note, facts: await facts(), now: change.now })
}

async function addNote(
  transaction: Transaction,
  kind: Kind,
  {
    note,
    facts,
    now,
  }: { readonly note: ChangeNote; readonly facts: Facts | undefined; readonly now: Instant },
): Promise<void> {
  const { bound } = transaction
  const state = await outbox(transaction, kind)
  if (state.rows >= bound[kind].rows || state.bytes >= bound[kind].bytes) {
    if (bound.beyond === 'refuse') throw notRecordable(kind)
    return countUnrecorded(transaction, kind, { count: 1, since: now, until: now })
  }
  const total = await reportUnrecorded(transaction, kind, state)
  await insert(transaction, kind, { note, facts, before: total })
}

interface OutboxState {
  readonly rows: number
  readonly bytes: number
  /** Of the newest row. */
  readonly total: number
  readonly unrecorded: Unrecorded | undefined
}

async function outbox(transaction: Transaction, kind: Kind): Promise<OutboxState> {
  const { state, unrecorded: name } = queues[kind]
  const row = await transaction.get(state, { name })
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
  kind: Kind,
  row: { readonly note: ChangeNote | null; readonly facts: Facts | undefined; readonly before: number },
): Promise<number> {
  const { note, before } = row
  const facts = row.facts === undefined ? null : JSON.stringify(row.facts)
  const total = before + (note?.length ?? 0) + (facts?.length ?? 0)
  await transaction.run(queues[kind].insert, { note, facts, total })
  return total
}

async function countUnrecorded(transaction: Transaction, kind: Kind, more: Unrecorded): Promise<void> {
  const { unrecorded: known } = await outbox(transaction, kind)
  const all: Unrecorded = {
    count: (known?.count ?? 0) + more.count,
    since: Math.min(known?.since ?? more.since, more.since),
    until: Math.max(known?.until ?? more.until, more.until),
  }
  await transaction.run(putSetting, { name: queues[kind].unrecorded, value: JSON.stringify(all) })
}

/** What went unrecorded becomes a row of its own, before the next note. The total with it. */
async function reportUnrecorded(transaction: Transaction, kind: Kind, state: OutboxState): Promise<number> {
  const { unrecorded, total } = state
  if (unrecorded === undefined) return total
  await transaction.run(removeSetting, { name: queues[kind].unrecorded })
  return insert(transaction, kind, { note: null, facts: { unrecorded }, before: total })
}

function notRecordable(kind: Kind): OciError {
  return new OciError('UNAVAILABLE', 'the audit log cannot be written', { detail: queues[kind].detail })
}

interface NewNotes {
  readonly notes: readonly ChangeNote[]
  readonly now: Instant
}

export const recordNotes = durable((transaction: Transaction, notes: NewNotes) =>
  addNotes(transaction, 'changes', notes),
)

export const recordDenials = durable((transaction: Transaction, notes: NewNotes) =>
  addNotes(transaction, 'denials', notes),
)

async function addNotes(transaction: Transaction, kind: Kind, { notes, now }: NewNotes): Promise<void> {
  for (const note of notes) await addNote(transaction, kind, { note, facts: undefined, now })
}

/** For changes, or denials, that went on although not even their row could be written. */
export const recordUnrecorded = durable(
  (transaction: Transaction, { kind, ...gap }: Unrecorded & { readonly kind: Kind }) =>
    countUnrecorded(transaction, kind, gap),
)

/** Need not survive a power cut: what comes back is known by its id. */
export const forgetNoted = relaxed(
  async (
    transaction: Transaction,
    { kind, upTo }: { readonly kind: Kind; readonly upTo: number },
  ): Promise<void> => {
    await transaction.run(queues[kind].forget, { upTo })
    await reportUnrecorded(transaction, kind, await outbox(transaction, kind))
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

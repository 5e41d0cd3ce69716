import { OciError } from '../../oci/oci-error.ts'
import type { EncodedAuditRecord, ChangeFacts } from '../outbox.ts'
import type { Instant } from '../../instant.ts'
import type { OutboxBound } from './outbox-bound.ts'
import { after, durable, Overtaken, relaxed, type Transaction } from './change.ts'
import { none } from './locks.ts'
import {
  denialsState,
  forgetDenials,
  forgetAuditRecords,
  insertDenial,
  insertAuditRecord,
  outboxState,
} from './statements/outbox.ts'
import { addSetting, putSetting, removeSetting, replaceSetting } from './statements/settings.ts'

export const auditKeySetting = 'audit-key'

export function headSetting(log: string): string {
  return `audit-head-${log}`
}

export type QueueKind = Exclude<keyof OutboxBound, 'beyond'>

const queues = {
  changes: {
    state: outboxState,
    insert: insertAuditRecord,
    forget: forgetAuditRecords,
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

/** Counts changes or denials of which no other record exists. */
export interface Unrecorded {
  readonly count: number
  readonly since: Instant
  readonly until: Instant
}

/**
 * What the outbox holds, for a change that reads it in one flight with what else it reads, and hands it to
 * `auditChange`. Undefined when there is no record to write.
 */
export function auditRoom(
  transaction: Transaction,
  change: { readonly auditRecord?: EncodedAuditRecord | undefined },
): OutboxState | Promise<OutboxState> | undefined {
  return change.auditRecord === undefined ? undefined : outbox(transaction, 'changes')
}

/**
 * Writes the audit record of a change in the change's own transaction. `facts` is called only if there is a
 * record.
 */
export async function auditChange(
  transaction: Transaction,
  change: { readonly auditRecord?: EncodedAuditRecord | undefined; readonly now: Instant },
  facts: () => ChangeFacts | Promise<ChangeFacts>,
  room?: OutboxState,
): Promise<void> {
  const { auditRecord, now } = change
  if (auditRecord === undefined) return
  const state = room ?? (await outbox(transaction, 'changes'))
  await queueAuditRecords(transaction, 'changes', {
    records: [{ auditRecord, facts: await facts() }],
    now,
    state,
  })
}

interface NewRecord {
  readonly auditRecord: EncodedAuditRecord
  readonly facts?: ChangeFacts
}

/** `state`: of the outbox, before. */
async function queueAuditRecords(
  transaction: Transaction,
  kind: QueueKind,
  queued: { readonly records: readonly NewRecord[]; readonly now: Instant; readonly state: OutboxState },
): Promise<void> {
  const { records, now } = queued
  const { bound } = transaction
  let { state } = queued
  for (const [index, record] of records.entries()) {
    if (state.rows >= bound[kind].rows || state.bytes >= bound[kind].bytes) {
      if (bound.beyond === 'refuse') throw notRecordable(kind)
      const count = records.length - index
      return countUnrecorded(transaction, kind, { count, since: now, until: now })
    }
    state = insert(transaction, kind, { ...record, state: await reportUnrecorded(transaction, kind, state) })
  }
}

export interface OutboxState {
  readonly rows: number
  /** Of all rows but the first. */
  readonly bytes: number
  /** The running total at the newest row. */
  readonly total: number
  readonly unrecorded: Unrecorded | undefined
  /** `unrecorded` as it is stored. */
  readonly unrecordedText: string | null
}

function outbox(transaction: Transaction, kind: QueueKind): OutboxState | Promise<OutboxState> {
  const { state, unrecorded: name } = queues[kind]
  return after(transaction.get(state, { name }), (row) => {
    const { firstId, firstTotal, lastId, lastTotal, unrecorded } = row ?? {}
    return {
      rows: typeof firstId === 'number' && typeof lastId === 'number' ? lastId - firstId + 1 : 0,
      bytes: (lastTotal ?? 0) - (firstTotal ?? 0),
      total: lastTotal ?? 0,
      unrecorded: typeof unrecorded === 'string' ? (JSON.parse(unrecorded) as Unrecorded) : undefined,
      unrecordedText: unrecorded ?? null,
    }
  })
}

/** Returns the state after it. */
function insert(
  transaction: Transaction,
  kind: QueueKind,
  row: {
    readonly auditRecord: EncodedAuditRecord | null
    readonly facts?: ChangeFacts | undefined
    readonly state: OutboxState
  },
): OutboxState {
  const { auditRecord, state } = row
  const facts = row.facts === undefined ? null : JSON.stringify(row.facts)
  const size = (auditRecord?.length ?? 0) + (facts?.length ?? 0)
  const { rows, bytes, total } = state
  const next = { ...state, rows: rows + 1, bytes: rows === 0 ? 0 : bytes + size, total: total + size }
  transaction.send(queues[kind].insert, { note: auditRecord, facts, total: next.total })
  return next
}

async function countUnrecorded(transaction: Transaction, kind: QueueKind, more: Unrecorded): Promise<void> {
  const { unrecorded: known, unrecordedText: before } = await outbox(transaction, kind)
  const all: Unrecorded = {
    count: (known?.count ?? 0) + more.count,
    since: Math.min(known?.since ?? more.since, more.since),
    until: Math.max(known?.until ?? more.until, more.until),
  }
  const named = { name: queues[kind].unrecorded, value: JSON.stringify(all) }
  const { changes } =
    before === null
      ? await transaction.run(addSetting, named)
      : await transaction.run(replaceSetting, { ...named, before })
  if (changes === 0) throw new Overtaken()
}

/** Writes a row for the unrecorded changes, if any, before the next record. Returns the state after it. */
async function reportUnrecorded(
  transaction: Transaction,
  kind: QueueKind,
  state: OutboxState,
): Promise<OutboxState> {
  const { unrecorded } = state
  if (unrecorded === undefined) return state
  const named = { name: queues[kind].unrecorded, before: state.unrecordedText }
  if ((await transaction.run(removeSetting, named)).changes === 0) throw new Overtaken()
  const reported = insert(transaction, kind, { auditRecord: null, facts: { unrecorded }, state })
  return { ...reported, unrecorded: undefined, unrecordedText: null }
}

function notRecordable(kind: QueueKind): OciError {
  return new OciError('UNAVAILABLE', 'the audit log cannot be written', { detail: queues[kind].detail })
}

interface NewAuditRecords {
  readonly auditRecords: readonly EncodedAuditRecord[]
  readonly now: Instant
}

export const recordChanges = durable(
  { locks: none },
  (transaction: Transaction, auditRecords: NewAuditRecords) =>
    recordAll(transaction, 'changes', auditRecords),
)

export const recordDenials = durable(
  { locks: none },
  (transaction: Transaction, auditRecords: NewAuditRecords) =>
    recordAll(transaction, 'denials', auditRecords),
)

async function recordAll(
  transaction: Transaction,
  kind: QueueKind,
  { auditRecords, now }: NewAuditRecords,
): Promise<void> {
  const records = auditRecords.map((auditRecord) => ({ auditRecord }))
  await queueAuditRecords(transaction, kind, { records, now, state: await outbox(transaction, kind) })
}

/** For changes or denials that went on although even their row could not be written. */
export const recordUnrecorded = durable(
  { locks: none },
  (transaction: Transaction, { kind, ...gap }: Unrecorded & { readonly kind: QueueKind }) =>
    countUnrecorded(transaction, kind, gap),
)

/** Relaxed: rows that reappear after a power cut are recognised by their ids. */
export const forgetRecorded = relaxed(
  { locks: none },
  async (
    transaction: Transaction,
    { kind, upTo }: { readonly kind: QueueKind; readonly upTo: number },
  ): Promise<void> => {
    transaction.send(queues[kind].forget, { upTo })
    await reportAfterForgetting(transaction, kind)
  },
)

/** Rows have left the outbox: changes that were only counted get a row. */
export async function reportAfterForgetting(transaction: Transaction, kind: QueueKind): Promise<void> {
  await reportUnrecorded(transaction, kind, await outbox(transaction, kind))
}

export const saveHead = relaxed(
  { locks: none },
  async (
    transaction: Transaction,
    { log, head }: { readonly log: string; readonly head: string },
  ): Promise<void> => {
    transaction.send(putSetting, { name: headSetting(log), value: head })
  },
)

/** Keeps the first key: a later one is ignored. */
export const saveAuditKey = durable(
  { locks: none },
  async (transaction: Transaction, { key }: { readonly key: string }): Promise<void> => {
    transaction.send(addSetting, { name: auditKeySetting, value: key })
  },
)

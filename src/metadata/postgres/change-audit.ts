import type {
  ChainExtension,
  ChainLink,
  ChainName,
  ChainPruning,
  ChainSegment,
  Extended,
  NewLines,
} from '../audit-chain.ts'
import type { OutboxEntry } from '../outbox.ts'
import { durable, Overtaken, relaxed, type Transaction } from '../rules/change.ts'
import { headSetting, reportAfterForgetting, type QueueKind } from '../rules/change-outbox.ts'
import { none } from '../rules/locks.ts'
import { outboxEntry } from '../rules/sql-outbox.ts'
import { putSetting } from '../rules/statements/settings.ts'
import * as statements from './audit-statements.ts'

const dayLength = 86_400_000
/** Milliseconds after which another process seals a segment whose process has not. */
const sealingTime = 60_000

/** Another process is extending the chain. Nothing was changed. */
export class ChainTaken extends Error {
  constructor() {
    super('another process is writing the audit log')
    this.name = 'ChainTaken'
  }
}

type Head = NonNullable<(typeof statements.takeHead)['row']>
type SegmentRow = NonNullable<(typeof statements.segmentsOf)['row']>

/**
 * Turns rows of the outbox into lines of the chain. The lock on the head is the only one: who does not get it
 * leaves, so that nobody waits, and who gets it sees every row that is committed and every line before its own.
 * Rejects with ChainTaken, so that a process without work commits nothing.
 */
export const extendAuditChain = durable(
  { locks: none },
  async (transaction: Transaction, extension: ChainExtension): Promise<Extended> => {
    const { log, limit, segmentSize, unsure, make } = extension
    const head = await transaction.get(statements.takeHead, { log })
    if (head === undefined) throw new ChainTaken()
    if (unsure !== undefined && head.seq >= unsure.seq) {
      const [row] = await transaction.all(statements.readLines, { log, after: unsure.seq - 1, limit: 1 })
      if (row?.seq !== unsure.seq) return { outcome: 'sealed' }
      if (row.line === unsure.line) return { outcome: 'known' }
    }
    const rows = limit === 0 ? [] : await takeRows(transaction, queueOf(log), limit)
    const made = make({ seq: head.seq, hash: head.hash }, rows)
    if (made.lines.length === 0) return { outcome: 'extended', rows: 0, closed: undefined }
    const now = await transaction.clock(0)
    const closed = await closeIfOver(transaction, { log, now, segmentSize }, head)
    await append(transaction, { log, head, made, now, begins: isEmpty(head) || closed !== undefined })
    return { outcome: 'extended', rows: rows.length, closed }
  },
)

/** Removes the oldest rows, and returns them. */
async function takeRows(
  transaction: Transaction,
  kind: QueueKind,
  limit: number,
): Promise<readonly OutboxEntry[]> {
  const { oldest, remove } = statements.queueStatements[kind]
  const rows = await transaction.all(oldest, { limit })
  if (rows.length === 0) return []
  const ids = rows.map(({ id }) => id)
  const { changes } = await transaction.run(remove, { ids: `{${ids.join(',')}}` })
  if (changes !== rows.length) throw new Overtaken()
  await reportAfterForgetting(transaction, kind)
  return rows.map(outboxEntry)
}

/** Only changes and denials have an outbox. */
function queueOf(log: ChainName): QueueKind {
  if (log === 'pulls') throw new TypeError('pulls have no outbox')
  return log
}

interface Append {
  readonly log: ChainName
  readonly head: Head
  readonly made: NewLines
  readonly now: number
  /** Whether the lines begin a segment. */
  readonly begins: boolean
}

async function append(
  transaction: Transaction,
  { log, head, made: { lines, last, signed }, now, begins }: Append,
): Promise<void> {
  await transaction.run(statements.insertLines, { log, after: head.seq, lines: JSON.stringify(lines) })
  await transaction.run(statements.moveHead, {
    log,
    ...last,
    openFirst: begins ? head.seq + 1 : head.openFirst,
    openBytes: (begins ? 0 : head.openBytes) + bytesOf(lines),
    openedAt: begins ? now : head.openedAt,
  })
  await transaction.run(putSetting, { name: headSetting(log), value: signed })
}

/** Closes the open segment where it is full, or of an earlier day. */
async function closeIfOver(
  transaction: Transaction,
  { log, now, segmentSize }: { readonly log: ChainName; readonly now: number; readonly segmentSize: number },
  head: Head,
): Promise<ChainSegment | undefined> {
  const isOld = Math.floor(head.openedAt / dayLength) < Math.floor(now / dayLength)
  return isOld || head.openBytes >= segmentSize ? close(transaction, { log, now }, head) : undefined
}

async function close(
  transaction: Transaction,
  { log, now }: { readonly log: ChainName; readonly now: number },
  { seq, hash, openFirst: first, openBytes: bytes }: Head,
): Promise<ChainSegment | undefined> {
  if (first > seq) return undefined
  await transaction.run(statements.closeSegment, { log, first, last: seq, hash, bytes, now })
  return { first, last: seq, hash, object: undefined }
}

/** Whether the open segment has no line. */
function isEmpty({ openFirst, seq }: Head): boolean {
  return openFirst > seq
}

function bytesOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
}

/** Its lines end with the last that is there: the open segment is closed. */
export const skipAuditLines = durable(
  { locks: none },
  async (
    transaction: Transaction,
    { log, seq, hash }: ChainLink & { readonly log: ChainName },
  ): Promise<void> => {
    const head = await transaction.get(statements.lockHead, { log })
    if (head === undefined || head.seq >= seq) return
    const now = await transaction.clock(0)
    await close(transaction, { log, now }, head)
    const open = { openFirst: seq + 1, openBytes: 0, openedAt: now }
    await transaction.run(statements.moveHead, { log, seq, hash, ...open })
  },
)

export const claimAuditSegment = relaxed(
  { locks: none },
  async (
    transaction: Transaction,
    { log }: { readonly log: ChainName },
  ): Promise<ChainSegment | undefined> => {
    const now = await transaction.clock(0)
    const row = await transaction.get(statements.claimSegment, { log, now, before: now - sealingTime })
    return row && segmentOf(row)
  },
)

export const sealAuditSegment = durable(
  { locks: none },
  async (
    transaction: Transaction,
    sealed: {
      readonly log: ChainName
      readonly first: number
      readonly object: string
      readonly size: number
    },
  ): Promise<void> => {
    const { log, first, object, size } = sealed
    const row = await transaction.get(statements.sealSegment, { log, first, object, bytes: size })
    if (row !== undefined) await transaction.run(statements.deleteLines, { log, first, last: row.last })
  },
)

/** The record of the removal is a line before anything is removed. */
export const pruneAuditChain = durable(
  { locks: none },
  async (transaction: Transaction, pruning: ChainPruning): Promise<NewLines | undefined> => {
    const { log, make } = pruning
    const head = await transaction.get(statements.lockHead, { log })
    if (head === undefined) return undefined
    const segments = await transaction.all(statements.segmentsOf, { log })
    const now = await transaction.clock(0)
    const last = lastToGo(segments, head, pruning, now)
    if (last === undefined) return undefined
    const made = make({ seq: head.seq, hash: head.hash }, { seq: last.last, hash: last.hash })
    await append(transaction, { log, head, made, now, begins: isEmpty(head) })
    await transaction.run(statements.giveUpSegments, { log, upTo: last.first })
    return made
  },
)

function lastToGo(
  segments: readonly SegmentRow[],
  { openBytes }: Head,
  { age, bytes }: ChainPruning,
  now: number,
): SegmentRow | undefined {
  let total = segments.reduce((sum, segment) => sum + segment.bytes, openBytes)
  let last: SegmentRow | undefined
  for (const segment of segments) {
    const isKept = now - segment.closedAt <= age && total <= bytes
    if (segment.state !== 'sealed' || isKept) break
    total -= segment.bytes
    last = segment
  }
  return last
}

/** Relaxed: an object that is gone may be removed again. */
export const forgetAuditSegment = relaxed(
  { locks: none },
  async (
    transaction: Transaction,
    { log, first }: { readonly log: ChainName; readonly first: number },
  ): Promise<void> => {
    await transaction.run(statements.forgetSegment, { log, first })
  },
)

export function segmentOf({ first, last, hash, object }: SegmentRow): ChainSegment {
  return { first, last, hash, object: object ?? undefined }
}

import type {
  CommitMark,
  LostCommits,
  MarkAnswer,
  MarkCopy,
  MarkLook,
  MarkStanding,
} from '../commit-marks.ts'
import { randomUUID } from 'node:crypto'
import type { Instant } from '../../instant.ts'
import { durable, relaxed, type Transaction } from './change.ts'
import { alone, type LockKey } from './locks.ts'
import { putSetting, settingByName } from './statements/settings.ts'

/** Holds JSON of `Kept`. */
export const marksSetting = 'commit-marks'
/** Marks that are kept. A copy is younger than the oldest: without a look at the copies no mark is made. */
const mostMarks = 64
const mostOthers = 16

interface Kept {
  readonly history: string
  /** The newest last. */
  readonly marks: readonly (CommitMark & { readonly at: Instant })[]
  readonly lost?: LostCommits | undefined
  /** Copies of other histories, as they were last seen; `movedAt`: when one was seen to have gone on. */
  readonly others: readonly (MarkCopy & { readonly movedAt?: Instant | undefined })[]
}

const locks = (): readonly LockKey[] => [alone(marksSetting)]

export const markCommits = durable(
  { locks },
  async (transaction: Transaction, look: MarkLook): Promise<MarkAnswer> => {
    const now = await transaction.clock(look.now)
    const before = await read(transaction)
    const first: Kept = { history: look.fresh.history, marks: [], others: [] }
    const { kept, found } = compare(before ?? first, look, now)
    const newest = kept.marks.at(-1)
    const isDue = newest === undefined || found !== 'nothing' || Math.abs(now - newest.at) >= look.every
    const mark = isDue ? { number: (newest?.number ?? 0) + 1, token: look.fresh.token, at: now } : newest
    const marks = isDue ? [...kept.marks, mark].slice(-mostMarks) : kept.marks
    const next = { ...kept, marks }
    if (isDue || next.others !== before?.others) write(transaction, next)
    const { number, token } = mark
    return { mark: { number, token }, history: kept.history, at: now, found, ...standingOf(next) }
  },
)

export const noteMissing = relaxed(
  { locks },
  async (
    transaction: Transaction,
    { at, ...missing }: NonNullable<LostCommits['missing']> & { readonly at: Instant },
  ): Promise<void> => {
    const kept = await read(transaction)
    if (kept?.lost?.at === at) write(transaction, { ...kept, lost: { at, missing } })
  },
)

/** Milliseconds for which a loss that several threads have noticed is one. */
const oneLoss = 60_000

/** For who has noticed the loss in another way than by marks: see `noteLostCommits`. */
export async function noteLost(transaction: Transaction, values: { readonly now: Instant }): Promise<void> {
  const now = await transaction.clock(values.now)
  const kept = (await read(transaction)) ?? { history: randomUUID(), marks: [], others: [] }
  if (kept.lost !== undefined && Math.abs(now - kept.lost.at) < oneLoss) return
  write(transaction, { ...kept, lost: { at: now } })
}

export async function markStanding(database: Pick<Transaction, 'get'>): Promise<MarkStanding> {
  const kept = await read(database)
  return kept === undefined ? { lost: undefined, others: [] } : standingOf(kept)
}

function standingOf({ lost, others }: Kept): MarkStanding {
  return {
    lost,
    others: others.flatMap(({ writer, movedAt }) =>
      movedAt === undefined ? [] : [{ writer, seenAt: movedAt }],
    ),
  }
}

function compare(
  kept: Kept,
  { copies, known, fresh }: MarkLook,
  now: Instant,
): { readonly kept: Kept; readonly found: MarkAnswer['found'] } {
  const holds = (mark: CommitMark): boolean => {
    const [oldest] = kept.marks
    if (oldest !== undefined && mark.number < oldest.number) return true
    return kept.marks.some(({ number, token }) => number === mark.number && token === mark.token)
  }
  const others = new Map(kept.others.map((other) => [other.history, other]))
  const isTold = kept.lost !== undefined && known !== undefined && known.at <= kept.lost.at
  let [isGone, hasMoved] = [known !== undefined && !holds(known) && !isTold, false]
  for (const copy of copies) {
    const other = others.get(copy.history)
    if (other !== undefined && other.number === copy.number && other.token === copy.token) continue
    if (other === undefined && copy.history === kept.history && holds(copy)) continue
    // Who still holds the newest mark that this process knows has lost nothing: somebody else writes.
    const moved = other !== undefined || (known !== undefined && holds(known) && !holds(copy))
    if (moved) hasMoved = true
    else if (!holds(copy)) isGone = true
    others.set(copy.history, { ...copy, ...(moved && { movedAt: now }) })
  }
  if (!isGone && !hasMoved && others.size === kept.others.length) return { kept, found: 'nothing' }
  const list = [...others.values()].slice(-mostOthers)
  // Its own history has another writer, too: it goes on under a new name.
  const history = others.has(kept.history) || isGone ? fresh.history : kept.history
  const next = { ...kept, history, others: list }
  if (isGone) return { kept: { ...next, lost: { at: now } }, found: 'commits-lost' }
  return { kept: next, found: hasMoved ? 'other-database' : 'nothing' }
}

async function read(database: Pick<Transaction, 'get'>): Promise<Kept | undefined> {
  const row = await database.get(settingByName, { name: marksSetting })
  return row === undefined ? undefined : (JSON.parse(row.value) as Kept)
}

function write(transaction: Transaction, kept: Kept): void {
  transaction.send(putSetting, { name: marksSetting, value: JSON.stringify(kept) })
}

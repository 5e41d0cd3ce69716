import type { GarbageItem, GarbagePage, GarbageStep } from '../garbage-store.ts'
import type { Statement } from './bind.ts'
import type { Change, FindLocks, Transaction } from './change.ts'
import { none, type LockKey } from './locks.ts'
import * as statements from './statements/garbage.ts'

// What a step of the collector reads, and the page that it returns.

type Reads = Pick<Transaction, 'all'>
export type RowOf<Found> = Found extends Statement<infer Row> ? Row : never

export async function staleUploads(
  database: Reads,
  step: GarbageStep,
): Promise<readonly RowOf<typeof statements.staleUploads>[]> {
  return database.all(statements.staleUploads, { ...bounds(step), after: step.after ?? '' })
}

export async function unreferencedLinks(
  database: Reads,
  step: GarbageStep,
): Promise<readonly RowOf<typeof statements.unreferencedLinks>[]> {
  return database.all(statements.unreferencedLinks, { ...bounds(step), ...position(step) })
}

export async function unlinkedBlobs(
  database: Reads,
  step: GarbageStep,
): Promise<readonly RowOf<typeof statements.unlinkedBlobs>[]> {
  return database.all(statements.unlinkedBlobs, { ...bounds(step), ...position(step) })
}

export async function markedBlobs(
  database: Reads,
  step: GarbageStep,
): Promise<readonly RowOf<typeof statements.markedBlobs>[]> {
  return database.all(statements.markedBlobs, { ...bounds(step), ...position(step) })
}

/** A step locks what it finds: it looks before its transaction, and again inside. */
export function finding<Row>(
  look: (database: Reads, step: GarbageStep) => Promise<readonly Row[]>,
  locksOf: (row: Row) => readonly LockKey[],
): Pick<Change<GarbageStep, unknown>, 'locks'> & { readonly find: FindLocks<GarbageStep> } {
  return {
    locks: none,
    find: async (database, step) => (await look(database, step)).flatMap(locksOf),
  }
}

export function window(step: GarbageStep): { before: number; limit: number; afterId: number } {
  return { ...bounds(step), afterId: Number(step.after ?? 0) }
}

export function bounds(step: GarbageStep): { before: number; limit: number } {
  return { before: step.before, limit: step.limit }
}

/** The cursor of a page: time and id of its last row, and for a link also its repository's id. */
export function position(step: GarbageStep): {
  afterSince: number
  afterId: number
  afterRepository: number
} {
  const [afterSince = -1, afterId = 0, afterRepository = 0] = step.after?.split('.').map(Number) ?? []
  return { afterSince, afterId, afterRepository }
}

export function page<Row>(
  step: GarbageStep,
  rows: readonly Row[],
  place: (row: Row) => string,
  taken: readonly Row[],
  describe: (row: Row) => GarbageItem,
): GarbagePage {
  const last = rows.length < step.limit ? undefined : rows.at(-1)
  return { items: taken.map(describe), next: last === undefined ? undefined : place(last) }
}

import type { GarbagePage, GarbageStep } from '../garbage-store.ts'
import { historyBounds } from '../history-store.ts'
import type { Instant } from '../../instant.ts'
import type { RepositoryName } from '../../oci/repository-name.ts'
import type { Statement } from './bind.ts'
import { after, relaxed, rowsAtOnce, type Transaction } from './change.ts'
import { keepLease } from './change-leases.ts'
import { changesRepository, none, type LockKey } from './locks.ts'
import * as statements from './statements/history.ts'
import type { tagEver } from './statements/tags.ts'

/** `manifest_id` is null for a tag that was removed, and that a new one follows. */
export type StoredTag = typeof tagEver extends Statement<infer Row> ? Row : never

/** Characters; bounds the length of a stored name. */
const longestName = 512

export function pusherName(name: string | undefined): string | null {
  return name?.slice(0, longestName) ?? null
}

/** To be called before the manifest is removed. */
export function keepFirstSeen(
  transaction: Transaction,
  gone: { readonly repository: number; readonly manifest: number; readonly now: Instant },
): void {
  transaction.send(statements.keepManifest, gone)
  const { repository } = gone
  transaction.send(statements.forgetOldestManifests, { repository, kept: historyBounds.removals })
}

/** What the row of a tag says about its past. */
export interface TagPast {
  readonly since: Instant
  /** Id of the row of its last target. */
  readonly past: number | null
  /** How many earlier targets there were. */
  readonly moves: number
}

/** Keeps the targets that moves of tags end. Returns what the rows of the tags say after the moves. */
export async function keepMovedTags(
  transaction: Transaction,
  tags: readonly StoredTag[],
  now: Instant,
): Promise<readonly TagPast[]> {
  if (tags.length === 0) return []
  const moved = tags.map((tag) => ({ tag, moves: tag.moves + 1, since: laterOf(tag, now) }))
  const kept = await transaction.runEach(
    statements.keepMove,
    moved.map(({ tag, moves, since }) => ({
      past: tag.past_id,
      sequence: moves,
      manifest: tag.manifest_id,
      since: tag.since,
      atLatest: tag.since_at_latest,
      pusher: tag.pusher,
      until: since,
    })),
  )
  return moved.map(({ moves, since }, index) => {
    const past = kept[index]?.id ?? 0
    forgetOldMoves(transaction, past, moves)
    return { since, past, moves }
  })
}

/** Returns what the row of a new tag says: the tag may have been removed before. */
export function pastOfNewTag(
  transaction: Transaction,
  removed: StoredTag | undefined,
  now: Instant,
): TagPast {
  if (removed === undefined) return { since: now, past: null, moves: 0 }
  const { past_id: past, moves } = removed
  if (past !== null) forgetOldMoves(transaction, past, moves)
  return { since: laterOf(removed, now), past, moves }
}

/** The times of a tag never go back, even if the clock does. */
function laterOf({ since }: StoredTag, now: Instant): Instant {
  return Math.max(since, now)
}

/** Surplus rows are deleted once in so many moves, because that reads all rows that are kept. */
const movesAtOnce = 25

function forgetOldMoves(transaction: Transaction, id: number, moves: number): void {
  const kept = historyBounds.moves
  if (moves > kept && moves % movesAtOnce === 0) transaction.send(statements.forgetMoves, { id, kept })
}

/** Removals of tags are numbered in each repository; 0: there were none. */
export function lastRemovalOf(transaction: Transaction, repository: number): number | Promise<number> {
  return after(transaction.get(statements.lastRemoval, { repository }), (row) => row?.removal ?? 0)
}

/**
 * To be called before the tags are removed; at most `rowsAtOnce` tags. `lastRemoval`: what `lastRemovalOf` has
 * found.
 */
export async function keepRemovedTags(
  transaction: Transaction,
  gone: {
    readonly repository: number
    readonly tags: readonly string[]
    readonly now: Instant
    readonly lastRemoval: number
  },
): Promise<void> {
  const { repository, tags, now, lastRemoval } = gone
  transaction.send(statements.keepRemovals, { repository, list: JSON.stringify(tags), now })
  const to = lastRemoval + tags.length - historyBounds.removals
  if (to > 0) await forgetRemovals(transaction, { repository, to, before: Infinity })
}

/**
 * Deletes the oldest removals up to number `to`, as long as they ended before `before`, each with the earlier
 * targets of its tag.
 */
async function forgetRemovals(
  transaction: Transaction,
  old: { readonly repository: number; readonly to: number; readonly before: Instant },
): Promise<void> {
  const { repository, to, before } = old
  for (;;) {
    const rows = await transaction.all(statements.oldestRemovals, { repository, to, limit: rowsAtOnce })
    const gone = prefixOf(rows, ({ until }) => until < before)
    for (const { id, name: tag } of gone) {
      transaction.send(statements.forgetPast, { repository, tag, id })
      const { changes } = await transaction.run(statements.forgetMoves, { id, kept: 0 })
      await transaction.turn(changes)
    }
    if (gone.length < rowsAtOnce) return
  }
}

async function forgetManifests(transaction: Transaction, repository: number, before: Instant): Promise<void> {
  for (;;) {
    const rows = await transaction.all(statements.oldestManifests, { repository, limit: rowsAtOnce })
    const old = prefixOf(rows, (row) => row.removed_at < before)
    const last = old.at(-1)
    if (last === undefined) return
    transaction.send(statements.forgetManifestsTo, { repository, sequence: last.sequence })
    await transaction.turn(2 * old.length)
    if (old.length < rowsAtOnce) return
  }
}

function prefixOf<Row>(rows: readonly Row[], isOld: (row: Row) => boolean): readonly Row[] {
  const end = rows.findIndex((row) => !isOld(row))
  return end === -1 ? rows : rows.slice(0, end)
}

function hasHistory(row: {
  readonly manifest_removed_at: number | null
  readonly tag_removed_at: number | null
}): boolean {
  return row.manifest_removed_at !== null || row.tag_removed_at !== null
}

/** Deletes history from before `before`, in a window of repositories per step. */
const lockHistory = (row: { readonly name: string }): LockKey => changesRepository(row.name as RepositoryName)

export const forgetHistory = relaxed(
  {
    locks: none,
    find: async (database, { limit, dryRun, after = '0' }: GarbageStep) => {
      if (dryRun) return []
      const rows = await database.all(statements.historyByRepository, { afterId: Number(after), limit })
      return rows.filter(hasHistory).map(lockHistory)
    },
  },
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    const { before, limit, dryRun, after = '0', lease } = step
    if (dryRun) return { items: [], next: undefined }
    await keepLease(transaction, lease)
    const rows = await transaction.all(statements.historyByRepository, { afterId: Number(after), limit })
    for (const row of rows) {
      if (!transaction.holds(lockHistory(row))) continue
      if ((row.manifest_removed_at ?? before) < before) await forgetManifests(transaction, row.id, before)
      if ((row.tag_removed_at ?? before) < before)
        await forgetRemovals(transaction, { repository: row.id, to: Number.MAX_SAFE_INTEGER, before })
    }
    return { items: [], next: rows.length < limit ? undefined : String(rows.at(-1)?.id) }
  },
)

import type { GarbagePage, GarbageStep } from '../garbage-store.ts'
import { historyBounds } from '../history-store.ts'
import type { Instant } from '../../instant.ts'
import { relaxed, rowsAtOnce, type Transaction } from './change.ts'
import * as statements from './statements/history.ts'

/** What a manifest that comes again is known by. */
interface FirstSeen {
  readonly firstSeen: Instant
  readonly atLatest: number
  readonly pusher: string | null
}

/** A name is no place for a text of any length. */
const longestName = 512

export function pusherName(name: string | undefined): string | null {
  return name?.slice(0, longestName) ?? null
}

/** Undefined: it was never there, as far as is known. What is taken is there again. */
export async function takeFirstSeen(
  transaction: Transaction,
  at: { readonly repository: number; readonly digest: string },
): Promise<FirstSeen | undefined> {
  const past = await transaction.get(statements.pastManifest, at)
  if (past === undefined) return undefined
  await transaction.run(statements.removePastManifest, at)
  return { firstSeen: past.first_seen, atLatest: past.seen_at_latest, pusher: past.pusher }
}

/** Before the manifest goes. */
export async function keepFirstSeen(
  transaction: Transaction,
  gone: { readonly repository: number; readonly manifest: number; readonly now: Instant },
): Promise<void> {
  await transaction.run(statements.keepManifest, gone)
  const { repository } = gone
  await transaction.run(statements.forgetOldestManifests, { repository, kept: historyBounds.removals })
}

/** Before the tag points elsewhere. */
export async function keepMovedTag(
  transaction: Transaction,
  moved: { readonly repository: number; readonly tag: string; readonly now: Instant },
): Promise<void> {
  const { repository, tag, now } = moved
  await keepTags(transaction, { repository, list: JSON.stringify([tag]), removed: 0, now })
}

/** Before the tags go; at most `rowsAtOnce`. */
export async function keepRemovedTags(
  transaction: Transaction,
  gone: { readonly repository: number; readonly tags: readonly string[]; readonly now: Instant },
): Promise<void> {
  const { repository, tags, now } = gone
  await keepTags(transaction, { repository, list: JSON.stringify(tags), removed: 1, now })
  const last = (await transaction.get(statements.lastRemoval, { repository }))?.removal ?? 0
  const to = last - historyBounds.removals
  if (to > 0) await forgetRemovals(transaction, { repository, to, before: Infinity })
}

async function keepTags(
  transaction: Transaction,
  values: {
    readonly repository: number
    readonly list: string
    readonly removed: number
    readonly now: Instant
  },
): Promise<void> {
  await transaction.run(statements.keepTags, values)
  await transaction.run(statements.forgetOldestMoves, { ...values, kept: historyBounds.moves })
}

/** The oldest, as long as they are from before `before`, each with the moves of its tag until then. */
async function forgetRemovals(
  transaction: Transaction,
  old: { readonly repository: number; readonly to: number; readonly before: Instant },
): Promise<void> {
  const { repository, to, before } = old
  for (;;) {
    const rows = await transaction.all(statements.oldestRemovals, { repository, to, limit: rowsAtOnce })
    const gone = prefixOf(rows, ({ until }) => until < before)
    for (const { name: tag, sequence } of gone) {
      await transaction.run(statements.forgetMovesTo, { repository, tag, sequence })
      await transaction.turn(1)
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
    await transaction.run(statements.forgetManifestsTo, { repository, sequence: last.sequence })
    await transaction.turn(2 * old.length)
    if (old.length < rowsAtOnce) return
  }
}

function prefixOf<Row>(rows: readonly Row[], isOld: (row: Row) => boolean): readonly Row[] {
  const end = rows.findIndex((row) => !isOld(row))
  return end === -1 ? rows : rows.slice(0, end)
}

/** What was removed before `before`, in a window of all repositories. */
export const forgetHistory = relaxed(
  async (transaction: Transaction, step: GarbageStep): Promise<GarbagePage> => {
    const { before, limit, dryRun, after = '0' } = step
    if (dryRun) return { items: [], next: undefined }
    const rows = await transaction.all(statements.historyByRepository, { afterId: Number(after), limit })
    for (const row of rows) {
      if ((row.manifest_removed_at ?? before) < before) await forgetManifests(transaction, row.id, before)
      if ((row.tag_removed_at ?? before) < before)
        await forgetRemovals(transaction, { repository: row.id, to: Number.MAX_SAFE_INTEGER, before })
    }
    return { items: [], next: rows.length < limit ? undefined : String(rows.at(-1)?.id) }
  },
)

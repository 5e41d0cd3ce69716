import type { BlobStore } from '../blobs/blob-store.ts'
import type { GarbageItem, GarbagePage, GarbageStep, Lease } from '../metadata/garbage-store.ts'
import { historyBounds } from '../metadata/history-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { Log } from '../log.ts'
import type { Clocks } from '../clocks.ts'
import { ClockGuard } from './clock-guard.ts'
import type { CommitDoubt, CommitWatch } from './commit-watch.ts'
import { GarbageLease } from './garbage-lease.ts'
import { findLostBlobs } from './lost-blobs.ts'
import { pendOrphans } from './orphans.ts'
import { countKept, untaggedLimits, type KeptUntagged, type UntaggedRule } from './untagged-policy.ts'

export interface GarbagePolicy {
  /** Milliseconds that unreferenced content is kept. */
  readonly grace: number
  readonly uploadExpiry: number
  /** Milliseconds that bytes outlive their rows, for a database that goes back in time; undefined: none. */
  readonly deleteDelay?: number | undefined
  /** The first rule that matches a repository decides; without one its untagged manifests stay. */
  readonly untagged: readonly UntaggedRule[]
}

export interface CollectorParts {
  readonly metadata: MetadataStore
  readonly blobs: BlobStore
  readonly log: Log
  readonly clocks: Clocks
  readonly policy: GarbagePolicy
  /** Names this collector in the lease. */
  readonly holder: string
  /** Undefined: rows and bytes are in one folder, and go back in time together. */
  readonly commits?: CommitWatch | undefined
}

export type GarbageEvent =
  | {
      readonly kind: 'item'
      readonly action: 'expired' | 'unlinked' | 'condemned' | 'deleted'
      readonly item: GarbageItem
    }
  /** Deletion waits until this instant. */
  | ({ readonly kind: 'suspended' } & Suspension)
  /** After commits were lost: the bytes of this blob are not in the store. */
  | { readonly kind: 'lost-blob'; readonly digest: string; readonly repositories: readonly string[] }
  /** Another collection or a backup is running; nothing was done. */
  | { readonly kind: 'busy' }
  /** A collection of some process ended at this instant, less than `atMostEvery` ago; nothing was done. */
  | { readonly kind: 'done'; readonly at: number; readonly ago: number }
  | { readonly kind: 'freed'; readonly files: number }
  /** Untagged manifests that no rule expires; only with `CollectOptions.kept`. */
  | ({ readonly kind: 'kept' } & KeptUntagged)

export type Suspension = { readonly reason: 'clock-jumped'; readonly until: number } | CommitDoubt

export interface CollectOptions {
  readonly dryRun: boolean
  /** Milliseconds in which one collection is enough, whichever process does it. */
  readonly atMostEvery?: number
  /**
   * Also search all files for those that a crash has left, which takes time in proportion to the store. `daily`:
   * unless some process has done so within a day.
   */
  readonly orphans: 'always' | 'daily' | 'never'
  /** Also count untagged manifests that stay: takes time in proportion to their number. */
  readonly kept?: boolean
  readonly signal?: AbortSignal
}

const batch = 200
const day = 24 * 3_600_000
/** Lost blobs that the metadata remembers. */
const mostNamed = 100

/**
 * One collection, while requests are served: small transactions, one collector at a time, safe with any
 * number of writers (see docs/architecture.md, "Garbage"). With `dryRun` it reports the same and changes
 * nothing.
 */
export async function* collectGarbage(
  parts: CollectorParts,
  options: CollectOptions,
): AsyncGenerator<GarbageEvent> {
  const lease = await GarbageLease.take(parts)
  if (lease === undefined) {
    yield { kind: 'busy' }
    return
  }
  try {
    const proceed = async (): Promise<void> => {
      options.signal?.throwIfAborted()
      await lease.check()
    }
    const suspension = await suspensionOf(parts, options.dryRun ? undefined : lease.held)
    if (suspension !== undefined) {
      yield { kind: 'suspended', ...suspension }
      if (!options.dryRun) yield* nameLostBlobs(parts, proceed)
      return
    }
    const done = await lastCollection(parts, options)
    if (done !== undefined) {
      yield done
      return
    }
    const { commits, policy } = parts
    const sure = async (): Promise<void> => {
      commits?.check(policy.grace)
      await proceed()
    }
    yield* sweep(parts, options, { proceed: sure, lease: lease.held })
  } finally {
    await lease.release()
  }
}

async function suspensionOf(
  { metadata, clocks, policy: { grace }, commits }: CollectorParts,
  record: Lease | undefined,
): Promise<Suspension | undefined> {
  const until = await new ClockGuard(metadata.garbage, clocks, grace).check(record)
  const doubt = await commits?.look(grace)
  return doubt ?? (until === undefined ? undefined : { reason: 'clock-jumped', until })
}

/** Looks once, after commits were lost, for the bytes of all blobs: rows may be back whose bytes were removed. */
async function* nameLostBlobs(
  parts: CollectorParts,
  proceed: () => Promise<void>,
): AsyncGenerator<GarbageEvent> {
  const { marks } = parts.metadata
  const { lost } = await marks.standing()
  if (lost === undefined || lost.missing !== undefined) return
  const digests: string[] = []
  let count = 0
  for await (const { digest, repositories } of findLostBlobs(parts, proceed)) {
    count++
    if (digests.length < mostNamed) digests.push(digest)
    yield { kind: 'lost-blob', digest, repositories }
  }
  await marks.noteMissing({ at: lost.at, count, digests })
}

/** Undefined: a collection is due. */
async function lastCollection(
  { metadata: { garbage }, clocks }: CollectorParts,
  { atMostEvery }: CollectOptions,
): Promise<Extract<GarbageEvent, { kind: 'done' }> | undefined> {
  const { collectedAt: at } = await garbage.notes()
  if (atMostEvery === undefined || at === undefined) return undefined
  const ago = (await garbage.time(clocks.wall())) - at
  return ago >= 0 && ago < atMostEvery ? { kind: 'done', at, ago } : undefined
}

/** What a collection has while it holds the lease. */
interface Holding {
  /** Throws where the collection must not go on. */
  readonly proceed: () => Promise<void>
  readonly lease: Lease
}

async function* sweep(
  parts: CollectorParts,
  { dryRun, orphans, kept = false }: CollectOptions,
  holding: Holding,
): AsyncGenerator<GarbageEvent> {
  const { clocks, policy } = parts
  const { garbage } = parts.metadata
  const { proceed, lease } = holding
  const began = await garbage.time(clocks.wall())
  type Action = Extract<GarbageEvent, { kind: 'item' }>['action']

  async function* pages(
    action: Action,
    age: number,
    run: (step: GarbageStep) => Promise<GarbagePage>,
  ): AsyncGenerator<GarbageEvent> {
    for (let after: string | undefined; ;) {
      await proceed()
      const now = await garbage.time(clocks.wall())
      const step = { before: began - age, now, limit: batch, dryRun, lease }
      const page = await run(after === undefined ? step : { ...step, after })
      for (const item of page.items) yield { kind: 'item', action, item }
      if (page.next === undefined) return
      after = page.next
      await breathe()
    }
  }

  yield* pages('expired', policy.uploadExpiry, (step) => garbage.expireUploads(step))
  for await (const { repository, after } of untaggedLimits(parts.metadata, policy.untagged)) {
    yield* pages('expired', after, (step) => garbage.expireUntagged({ ...step, repository }))
  }
  // Content that an earlier collection marked for deletion, and that no push has rescued since, is deleted
  // first: a collection never deletes what it has marked itself.
  yield* pages('deleted', 0, (step) => garbage.deleteMarked(step))
  yield* pages('unlinked', policy.grace, (step) => garbage.unlinkUnreferenced(step))
  yield* pages('condemned', 0, (step) => garbage.markBlobs(step))
  yield* pages('deleted', historyBounds.age, (step) => garbage.forgetHistory(step))
  yield* pages('deleted', policy.grace, (step) => garbage.dropEmptyRepositories(step))
  if (!dryRun) {
    const dropped = await searchOrphans(parts, orphans, holding)
    const removed = await removePending(parts, holding)
    await reclaimRoom(parts, proceed)
    const collectedAt = await garbage.time(clocks.wall())
    await garbage.note({ notes: { collectedAt }, lease })
    yield { kind: 'freed', files: removed + dropped }
  }
  if (!kept) return
  const next = async (): Promise<void> => {
    await proceed()
    await breathe()
  }
  yield { kind: 'kept', ...(await countKept(parts.metadata, policy.untagged, next)) }
}

/** Returns the number of unfinished writes that were dropped. Other orphans are bytes without a row from now on. */
async function searchOrphans(
  parts: CollectorParts,
  orphans: CollectOptions['orphans'],
  { proceed, lease }: Holding,
): Promise<number> {
  const { metadata, clocks } = parts
  const now = await metadata.garbage.time(clocks.wall())
  const { searchedAt = -Infinity } = await metadata.garbage.notes()
  if (orphans === 'never' || (orphans === 'daily' && Math.abs(now - searchedAt) < day)) return 0
  const dropped = await pendOrphans(parts, lease, proceed)
  await metadata.garbage.note({ notes: { searchedAt: now }, lease })
  return dropped
}

/**
 * Removes the bytes whose rows are deleted, and have been for `deleteDelay`. A collector that has lost the lease may
 * still remove the bytes that it was about to: no row names them, and keys are never used again.
 */
async function removePending(
  { metadata, blobs, clocks, policy: { deleteDelay } }: CollectorParts,
  { proceed, lease }: Holding,
): Promise<number> {
  const now = await metadata.garbage.time(clocks.wall())
  const before = deleteDelay === undefined ? undefined : now - deleteDelay
  let files = 0
  for (;;) {
    const keys = await metadata.garbage.pendingDeletes(batch, before)
    if (keys.length === 0) return files
    for (const key of keys) {
      await proceed()
      await blobs.remove(key)
    }
    await metadata.garbage.forgetPendingDeletes({ keys, lease })
    files += keys.length
    await breathe()
  }
}

async function reclaimRoom({ metadata }: CollectorParts, proceed: () => Promise<void>): Promise<void> {
  while ((await metadata.garbage.reclaim()) > 0) {
    await proceed()
    await breathe()
  }
}

/** Lets requests through between two transactions. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2))
}

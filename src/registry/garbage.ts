import type { BlobStore } from '../blobs/blob-store.ts'
import type { GarbageItem, GarbagePage, GarbageStep } from '../metadata/garbage-store.ts'
import { historyBounds } from '../metadata/history-store.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { Log } from '../log.ts'
import type { Clocks } from '../clocks.ts'
import { ClockGuard } from './clock-guard.ts'
import { GarbageLease } from './garbage-lease.ts'
import { removeOrphans } from './orphans.ts'
import { countKept, untaggedLimits, type KeptUntagged, type UntaggedRule } from './untagged-policy.ts'

export interface GarbagePolicy {
  /** How long content that nothing refers to is safe; milliseconds. */
  readonly grace: number
  readonly uploadExpiry: number
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
}

export type GarbageEvent =
  | {
      readonly kind: 'item'
      readonly action: 'expired' | 'unlinked' | 'condemned' | 'deleted'
      readonly item: GarbageItem
    }
  /** Deletion waits until this instant: the clock has jumped. */
  | { readonly kind: 'suspended'; readonly until: number }
  /** Another collector or a backup is at work; nothing was done. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'freed'; readonly files: number }
  /** What is untagged and no rule takes; only where it was asked for. */
  | ({ readonly kind: 'kept' } & KeptUntagged)

export interface CollectOptions {
  readonly dryRun: boolean
  /** Also look through all files for those that a crash has left: costs time in proportion to the store. */
  readonly orphans: boolean
  /** Also count what is untagged and stays: costs time in proportion to that. */
  readonly kept?: boolean
  readonly signal?: AbortSignal
}

const batch = 200

/**
 * One collection, online: small transactions, one collector at a time, safe with any number of writers (see
 * docs/architecture.md, "Garbage"). `dryRun` says the same and changes nothing.
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
    const guard = new ClockGuard(parts.metadata.garbage, parts.clocks, parts.policy.grace)
    const suspendedUntil = await guard.check(!options.dryRun)
    if (suspendedUntil !== undefined) {
      yield { kind: 'suspended', until: suspendedUntil }
      return
    }
    const proceed = async (): Promise<void> => {
      options.signal?.throwIfAborted()
      await lease.check()
    }
    yield* sweep(parts, options, proceed)
  } finally {
    await lease.release()
  }
}

async function* sweep(
  parts: CollectorParts,
  { dryRun, orphans, kept = false }: CollectOptions,
  proceed: () => Promise<void>,
): AsyncGenerator<GarbageEvent> {
  const { clocks, policy } = parts
  const { garbage } = parts.metadata
  const now = clocks.wall()
  type Action = Extract<GarbageEvent, { kind: 'item' }>['action']

  async function* pages(
    action: Action,
    age: number,
    run: (step: GarbageStep) => Promise<GarbagePage>,
  ): AsyncGenerator<GarbageEvent> {
    for (let after: string | undefined; ;) {
      await proceed()
      const step = { before: now - age, now: clocks.wall(), limit: batch, dryRun }
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
  // What an earlier sweep condemned, and nobody has rescued since, goes first: the sweep that condemns never deletes.
  yield* pages('deleted', 0, (step) => garbage.deleteCondemned(step))
  yield* pages('unlinked', policy.grace, (step) => garbage.unlinkUnreferenced(step))
  yield* pages('condemned', 0, (step) => garbage.condemnBlobs(step))
  yield* pages('deleted', historyBounds.age, (step) => garbage.forgetHistory(step))
  yield* pages('deleted', policy.grace, (step) => garbage.dropEmptyRepositories(step))
  if (!dryRun) {
    const pending = await removePending(parts, proceed)
    await reclaimRoom(parts, proceed)
    yield { kind: 'freed', files: pending + (orphans ? await removeOrphans(parts, proceed) : 0) }
  }
  if (!kept) return
  const next = async (): Promise<void> => {
    await proceed()
    await breathe()
  }
  yield { kind: 'kept', ...(await countKept(parts.metadata, policy.untagged, next)) }
}

/** The bytes of rows that are gone for good. */
async function removePending(
  { metadata, blobs }: CollectorParts,
  proceed: () => Promise<void>,
): Promise<number> {
  let files = 0
  for (;;) {
    const keys = await metadata.garbage.pendingDeletes(batch)
    if (keys.length === 0) return files
    for (const key of keys) {
      await proceed()
      await blobs.remove(key)
    }
    await metadata.garbage.forgetPendingDeletes({ keys })
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

import type { DataKey } from '../blobs/blob-store.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Instant } from '../instant.ts'

/** One thing that garbage collection takes, or would take. */
export interface GarbageItem {
  readonly kind: 'upload' | 'manifest' | 'blob-link' | 'blob' | 'repository'
  readonly repository: RepositoryName | undefined
  /** Upload id, digest or repository name. */
  readonly subject: string
  /** Bytes that become free when it goes. */
  readonly bytes: number
  readonly reason: string
}

/**
 * The steps of online garbage collection; the order and the policy are in `registry/garbage.ts`. Every step
 * checks again, inside its transaction, what it relies on. `dryRun` selects the same and changes nothing;
 * as nothing goes, it pages with `after` (an opaque word from `next`).
 */
export interface GarbageStore {
  /** False while somebody else holds it. Renew at less than half of its `ttl`. */
  acquireLease(lease: LeaseTerm): Promise<boolean>
  /** False when it is not the holder's any more: somebody else has taken it, or it went with a restart of the store. */
  renewLease(lease: LeaseTerm): Promise<boolean>
  releaseLease(lease: Pick<LeaseTerm, 'name' | 'holder'>): Promise<void>
  /** Uploads not touched since `before` and not claimed. */
  expireUploads(step: GarbageStep): Promise<GarbagePage>
  /**
   * Manifests of `repository` without a tag since `before`. One that an existing index lists, or whose subject
   * exists, stays.
   */
  expireUntagged(step: GarbageStep & { readonly repository: RepositoryName }): Promise<GarbagePage>
  /** Links to blobs that no manifest of their repository has needed since `before`. */
  unlinkUnreferenced(step: GarbageStep): Promise<GarbagePage>
  /** Blobs that no repository links become condemned. */
  condemnBlobs(step: GarbageStep): Promise<GarbagePage>
  /** Blobs condemned before `before` lose their row; stored bytes go to the pending deletions. */
  deleteCondemned(step: GarbageStep): Promise<GarbagePage>
  /** History of what was removed before `before`, of manifests and tags. Gives no items. */
  forgetHistory(step: GarbageStep): Promise<GarbagePage>
  /** Repositories with no manifest, no blob link and no upload. */
  dropEmptyRepositories(step: GarbageStep): Promise<GarbagePage>
  /** Data keys whose rows are gone durably: their bytes may be removed. */
  pendingDeletes(limit: number): Promise<readonly DataKey[]>
  forgetPendingDeletes(pending: { readonly keys: readonly DataKey[] }): Promise<void>
  /** Gives room that removed content had in the store back to the machine, a little at each call: bytes; 0 when it is done. */
  reclaim(): Promise<number>
  /** The latest wall clock time that this store has seen a collector report, and until when deletion is suspended. */
  clock(): Promise<{ readonly seenAt: Instant | undefined; readonly suspendedUntil: Instant | undefined }>
  recordClock(clock: {
    readonly seenAt: Instant
    readonly suspendedUntil: Instant | undefined
  }): Promise<void>
}

export interface LeaseTerm {
  readonly name: string
  readonly holder: string
  /** Milliseconds. */
  readonly ttl: number
  readonly now: Instant
}

export interface GarbageStep {
  readonly before: Instant
  readonly now: Instant
  readonly limit: number
  readonly dryRun: boolean
  readonly after?: string
}

export interface GarbagePage {
  readonly items: readonly GarbageItem[]
  /** Call again with `after: next`; undefined at the end. */
  readonly next: string | undefined
}

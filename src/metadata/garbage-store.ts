import type { DataKey } from '../blobs/blob-store.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Instant } from '../instant.ts'

/** One thing that garbage collection removes, or would remove in a dry run. */
export interface GarbageItem {
  readonly kind: 'upload' | 'manifest' | 'blob-link' | 'blob' | 'repository'
  readonly repository: RepositoryName | undefined
  /** The id of an upload, a digest, or the name of a repository. */
  readonly subject: string
  /** Bytes that its removal frees. */
  readonly bytes: number
  readonly reason: string
}

/**
 * The steps of online garbage collection; their order and the retention policy are in `registry/garbage.ts`.
 * Every step checks its preconditions again inside its transaction, and that its collector still has the lease:
 * a collector that was held up, and whose lease another one has taken, gets LeaseLost and has changed nothing.
 * `dryRun` selects the same items and changes nothing; since nothing is removed, it pages with `after` (an opaque
 * cursor from `next`).
 */
export interface GarbageStore {
  /** The time by the engine's clock, which all processes share; `own` where the engine has none. */
  time(own: Instant): Promise<Instant>
  /** False while another holder has the lease. Renew it at less than half of its `ttl`. */
  acquireLease(lease: LeaseTerm): Promise<boolean>
  /** False when the holder has lost the lease: another holder took it, or the store was restarted. */
  renewLease(lease: LeaseTerm): Promise<boolean>
  releaseLease(lease: Lease): Promise<void>
  /** Uploads not touched since `before` and not claimed. */
  expireUploads(step: GarbageStep): Promise<GarbagePage>
  /**
   * Manifests of `repository` that have had no tag since `before`. A manifest stays if an index of the
   * repository lists it, or if its subject exists.
   */
  expireUntagged(step: GarbageStep & { readonly repository: RepositoryName }): Promise<GarbagePage>
  /** Links to blobs that no manifest of their repository has referred to since `before`. */
  unlinkUnreferenced(step: GarbageStep): Promise<GarbagePage>
  /** Marks blobs that no repository links for deletion. */
  markBlobs(step: GarbageStep): Promise<GarbagePage>
  /**
   * Deletes the rows of blobs that were marked before `before`; the keys of stored bytes go to the pending
   * deletions.
   */
  deleteMarked(step: GarbageStep): Promise<GarbagePage>
  /** Deletes the history of manifests and tags that were removed before `before`. Returns no items. */
  forgetHistory(step: GarbageStep): Promise<GarbagePage>
  /** Repositories with no manifest, no blob link and no upload. */
  dropEmptyRepositories(step: GarbageStep): Promise<GarbagePage>
  /** Adds those of the keys that no row names to the pending deletions, and returns their number. */
  pendOrphans(orphans: { readonly keys: readonly DataKey[]; readonly lease?: Lease }): Promise<number>
  /**
   * Data keys whose rows are durably gone, since `before` (by the engine's clock) if that is given: their bytes may
   * be removed.
   */
  pendingDeletes(limit: number, before?: Instant): Promise<readonly DataKey[]>
  forgetPendingDeletes(pending: { readonly keys: readonly DataKey[]; readonly lease?: Lease }): Promise<void>
  /**
   * Returns room freed by removed content to the operating system, a little at each call. Resolves to the
   * bytes returned; 0 when none is left to return.
   */
  reclaim(): Promise<number>
  /** What the collectors of all processes have noted. */
  notes(): Promise<GarbageNotes>
  /** Notes what is given, and leaves the rest. */
  note(noted: { readonly notes: Partial<GarbageNotes>; readonly lease?: Lease }): Promise<void>
}

/** Times by the engine's clock; undefined: not yet, or not now. */
export interface GarbageNotes {
  /** The latest time that a collector has seen. */
  readonly seenAt?: Instant | undefined
  /** Deletion is suspended until then: the clock has jumped. */
  readonly suspendedUntil?: Instant | undefined
  /** The last collection ended. */
  readonly collectedAt?: Instant | undefined
  /** The last search for orphans ended. */
  readonly searchedAt?: Instant | undefined
}

/** A lease that was acquired. A holder acquires under a name that it uses once. */
export interface Lease {
  readonly name: string
  readonly holder: string
}

export interface LeaseTerm extends Lease {
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
  /** Undefined: nobody else can collect. */
  readonly lease?: Lease | undefined
}

export interface GarbagePage {
  readonly items: readonly GarbageItem[]
  /** The cursor of the next page, to be passed as `after`; undefined at the end. */
  readonly next: string | undefined
}

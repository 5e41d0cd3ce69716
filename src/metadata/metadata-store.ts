import type { ByteSource, DataKey } from '../blobs/blob-store.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference, Tag } from '../oci/tag.ts'
import type { AuditChain } from './audit-chain.ts'
import type { AccessStore } from './access-store.ts'
import type { CommitMarks } from './commit-marks.ts'
import type { ContentStore } from './content-store.ts'
import type { GarbageStore } from './garbage-store.ts'
import type { HistoryStore } from './history-store.ts'
import type { InventoryStore } from './inventory-store.ts'
import type { AuditedChange, Outbox } from './outbox.ts'
import type { PolicyGenerations } from './policy-generation.ts'
import type { UntaggedStore } from './untagged-store.ts'
import type { Instant } from '../instant.ts'
import type {
  BlobLink,
  BlobMount,
  BlobRecord,
  ContentChange,
  ManifestRecord,
  NewBlob,
  NewManifest,
  Page,
  PutManifestResult,
  ReferrerPage,
  ReferrerRecord,
  RemovalResult,
  TagRemoval,
  UploadClaim,
  UploadRecord,
} from './records.ts'

/**
 * The metadata of all repositories. Reads see every change that was answered before they began, on every
 * worker and replica (linearizable). Changes are atomic, and durable when they resolve unless stated
 * otherwise. A store without room rejects a change that adds with OciError STORAGE_FULL; changes that remove
 * still work. Every implementation passes `test/metadata/metadata-store-contract.ts`.
 */
export interface MetadataStore extends MetadataReads, MetadataChanges {
  readonly access: AccessStore
  readonly outbox: Outbox
  readonly garbage: GarbageStore
  readonly inventory: InventoryStore
  readonly untagged: UntaggedStore
  readonly history: HistoryStore
  readonly contents: ContentStore
  readonly policy: PolicyGenerations
  /** Undefined: a store of one process, which keeps no audit log for others. */
  readonly auditChain: AuditChain | undefined
  readonly marks: CommitMarks
  /** A consistent image of the metadata at this moment; changes continue meanwhile. The caller closes it. */
  snapshot(): Promise<MetadataSnapshot>
  close(): Promise<void>
}

export interface MetadataReads {
  hasRepository(repository: RepositoryName): Promise<boolean>
  findManifest(repository: RepositoryName, reference: Reference): Promise<ManifestRecord | undefined>
  /** Undefined unless the blob is linked in this repository. */
  findBlob(repository: RepositoryName, digest: Digest): Promise<BlobRecord | undefined>
  /** Like `findBlob` without the content, and cheaper. */
  findLink(repository: RepositoryName, digest: Digest): Promise<BlobLink | undefined>
  /** Repositories in which the blob is linked, in no particular order; at most `limit`. */
  listBlobRepositories(digest: Digest, limit: number): Promise<readonly RepositoryName[]>
  /** In ASCII order, starting after `after`; undefined when the repository is unknown. */
  listTags(
    repository: RepositoryName,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<Page<Tag> | undefined>
  /**
   * Repositories that hold at least one manifest, in ASCII order. Looks at no more than `limit` repositories,
   * so it may return fewer, even none, and a `next`: the last repository that it looked at.
   */
  listRepositories(page: { readonly after?: string; readonly limit: number }): Promise<Page<RepositoryName>>
  /**
   * By digest, ascending. An unknown repository or subject has no referrers. Artifact types match
   * case-insensitively.
   */
  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    page: ReferrerPage,
  ): Promise<Page<ReferrerRecord>>
  /**
   * The manifests of the repository that the index under `tag` lists, by digest, ascending. Empty when there
   * is no such tag or it is not an index. Looks at no more than `limit` entries, so it may return fewer, even
   * none, and a `next`.
   */
  listIndexed(repository: RepositoryName, tag: Tag, page: ReferrerPage): Promise<Page<ReferrerRecord>>
  findUpload(repository: RepositoryName, id: string): Promise<UploadRecord | undefined>
}

/**
 * An audit record that is given with a change is written to the outbox in the transaction of the change, with
 * facts about the change, if and only if the change was made: not for content that was missing, unknown or in
 * use.
 *
 * If `policyGeneration` is given and is not the generation in force, nothing is changed and the method
 * rejects with PolicyChanged.
 */
export interface MetadataChanges {
  /**
   * Need not survive a crash. Creates the repository if it is unknown. When it resolves, every later look-up
   * on every worker and replica finds the upload, unless the store then turns out to have no room for it.
   */
  createUpload(upload: {
    readonly id: string
    readonly repository: RepositoryName
    readonly algorithm: DigestAlgorithm
    readonly now: Instant
  }): Promise<void>
  /**
   * Undefined when there is no such upload. If another request holds the claim, it is asked to release it,
   * and this call waits for the release. This request is asked in the same way when a later one wants the
   * claim. A worker that dies releases its claims.
   */
  claimUpload(
    repository: RepositoryName,
    id: string,
    onContested: () => void,
  ): Promise<UploadClaim | undefined>
  /**
   * False when there was no such upload, or `fence` is not that of its last claim. The keys of staged bytes go to
   * the pending deletions.
   */
  cancelUpload(
    repository: RepositoryName,
    id: string,
    audited?: AuditedChange,
    fence?: number,
  ): Promise<boolean>
  /**
   * Links the blob in the repository and ends its upload. If the content is already stored, it is kept, is no
   * longer marked for deletion, and the key of the new bytes goes to the pending deletions. If the upload was
   * cancelled or claimed by another process meanwhile, rejects with OciError BLOB_UPLOAD_UNKNOWN, links nothing, and the key goes to the
   * pending deletions.
   */
  putBlob(blob: NewBlob): Promise<void>
  /**
   * Like `putBlob` for an upload that is empty and unclaimed, so that small content needs no claim. False,
   * with nothing changed, if the upload is not empty, is claimed, or does not exist.
   */
  putWholeBlob(blob: NewBlob & { readonly uploadId: string }): Promise<boolean>
  /**
   * Links existing content, and unmarks it for deletion. False when no repository of `from` has it linked.
   */
  mountBlob(mount: BlobMount): Promise<boolean>
  /** Restarts the grace period of an unreferenced blob. False when the repository no longer links it. */
  touchBlob(blob: ContentChange): Promise<boolean>
  unlinkBlob(blob: ContentChange): Promise<RemovalResult>
  putManifest(manifest: NewManifest): Promise<PutManifestResult>
  /** Removes only the tag. False when there was none. */
  deleteTag(removal: TagRemoval): Promise<boolean>
  /** Removes the manifest with all its tags. */
  deleteManifest(manifest: ContentChange): Promise<RemovalResult>
}

/**
 * For backup: an image in the implementation's own format, and the list of the stored bytes that belong to
 * it.
 */
/** What a registry holds. */
export interface ContentTotals {
  /** Distinct blobs that it knows. */
  readonly blobs: number
  /** Of these blobs. */
  readonly bytes: number
  /** Those of each repository. */
  readonly manifests: number
}

export interface MetadataSnapshot {
  /** The format's name (`sqlite`), so that only a store that understands the format restores it. */
  readonly format: string
  readonly size: number
  totals(): Promise<ContentTotals>
  stream(): ByteSource
  /** Every stored blob of the image. The bytes stay readable only while the garbage lease is held. */
  storedBlobs(): AsyncIterable<{ readonly digest: Digest; readonly key: DataKey; readonly size: number }>
  close(): Promise<void>
}

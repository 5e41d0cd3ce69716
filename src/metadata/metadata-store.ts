import type { ByteSource, DataKey } from '../blobs/blob-store.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference, Tag } from '../oci/tag.ts'
import type { AccessStore } from './access-store.ts'
import type { ContentStore } from './content-store.ts'
import type { GarbageStore } from './garbage-store.ts'
import type { HistoryStore } from './history-store.ts'
import type { InventoryStore } from './inventory-store.ts'
import type { Noted, Outbox } from './outbox.ts'
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
 * What the repositories know. Reads see every change that was answered before they began, on every worker
 * and replica (linearizable). Changes are atomic; unless said otherwise they are durable when they resolve.
 * A store without room rejects a change that adds with OciError STORAGE_FULL; changes that remove still work.
 * Every implementation passes `test/metadata/metadata-store-contract.ts`.
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
  /** A consistent image of all that is known now, taken while changes go on. To be closed. */
  snapshot(): Promise<MetadataSnapshot>
  close(): Promise<void>
}

export interface MetadataReads {
  hasRepository(repository: RepositoryName): Promise<boolean>
  findManifest(repository: RepositoryName, reference: Reference): Promise<ManifestRecord | undefined>
  /** A blob that is linked in this repository. */
  findBlob(repository: RepositoryName, digest: Digest): Promise<BlobRecord | undefined>
  /** The same without its content: cheaper where that is not asked for. */
  findLink(repository: RepositoryName, digest: Digest): Promise<BlobLink | undefined>
  /** Repositories in which the blob is linked, in no order; at most `limit`. */
  listBlobRepositories(digest: Digest, limit: number): Promise<readonly RepositoryName[]>
  /** In ASCII order, after `after`; undefined when the repository is unknown. */
  listTags(
    repository: RepositoryName,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<Page<Tag> | undefined>
  /**
   * Repositories that hold at least one manifest, in ASCII order. May give fewer than `limit`, even none, and a `next`:
   * it looks at no more than `limit` repositories, and `next` is the last one that it has looked at.
   */
  listRepositories(page: { readonly after?: string; readonly limit: number }): Promise<Page<RepositoryName>>
  /** By digest, ascending. An unknown repository or subject has no referrers. Types are compared without case. */
  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    page: ReferrerPage,
  ): Promise<Page<ReferrerRecord>>
  /**
   * The manifests of the repository that the index under `tag` lists, by digest, ascending: none where there is no such
   * tag or it is no index. Looks at no more than `limit` entries, so it may give fewer, even none, and a `next`.
   */
  listIndexed(repository: RepositoryName, tag: Tag, page: ReferrerPage): Promise<Page<ReferrerRecord>>
  findUpload(repository: RepositoryName, id: string): Promise<UploadRecord | undefined>
}

/**
 * A `note` goes to the outbox in the same transaction, with what the change did, if and only if the change was made:
 * none for what was missing, unknown or in use.
 *
 * Where a `policyGeneration` is given and is not that in force, nothing is changed: rejects with PolicyChanged.
 */
export interface MetadataChanges {
  /**
   * Need not survive a crash. Creates the repository where it is unknown. When it resolves, every later look for the
   * upload finds it, on every worker and replica, unless the store had no room for it after all.
   */
  createUpload(upload: {
    readonly id: string
    readonly repository: RepositoryName
    readonly algorithm: DigestAlgorithm
    readonly now: Instant
  }): Promise<void>
  /**
   * Undefined when there is no such upload. When another request holds the claim, its `letGo` is called and
   * this one waits until it has released; `letGo` of this claim is called when somebody asks for it later.
   * A holder whose worker died has released.
   */
  claimUpload(repository: RepositoryName, id: string, letGo: () => void): Promise<UploadClaim | undefined>
  /** False when there was none. Staged bytes go to the pending deletions. */
  cancelUpload(repository: RepositoryName, id: string, noted?: Noted): Promise<boolean>
  /**
   * Links the blob in the repository and ends its upload. Content that is there already, condemned or not, is
   * kept and rescued, and the new bytes go to the pending deletions. An upload that was cancelled meanwhile:
   * OciError BLOB_UPLOAD_UNKNOWN, nothing is linked, and the bytes go to the pending deletions.
   */
  putBlob(blob: NewBlob): Promise<void>
  /**
   * The same for an upload that holds nothing and that nobody has claimed, so that small content needs no claim.
   * False, and nothing was changed, where it is not so or where there is no such upload.
   */
  putWholeBlob(blob: NewBlob & { readonly uploadId: string }): Promise<boolean>
  /** Links existing content; false when no repository of `from` has it linked. Rescues. */
  mountBlob(mount: BlobMount): Promise<boolean>
  /** Begins the grace period of an unreferenced blob anew; rescues. False when it is not linked any more. */
  touchBlob(blob: ContentChange): Promise<boolean>
  unlinkBlob(blob: ContentChange): Promise<RemovalResult>
  putManifest(manifest: NewManifest): Promise<PutManifestResult>
  /** Only the tag goes. False when there was none. */
  deleteTag(removal: TagRemoval): Promise<boolean>
  /** The manifest with every tag on it. */
  deleteManifest(manifest: ContentChange): Promise<RemovalResult>
}

/** For backup: the image in the implementation's own form, and the stored bytes that belong to it. */
export interface MetadataSnapshot {
  /** Names the form, so that only a store that understands it takes it back: `sqlite`. */
  readonly format: string
  readonly size: number
  stream(): ByteSource
  /** Every stored blob of the image. They stay readable only while the garbage lease is held. */
  storedBlobs(): AsyncIterable<{ readonly digest: Digest; readonly key: DataKey; readonly size: number }>
  close(): Promise<void>
}

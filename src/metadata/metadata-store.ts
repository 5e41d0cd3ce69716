import type { ByteSource, DataKey, Held } from '../blobs/blob-store.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference, Tag } from '../oci/tag.ts'

/** Milliseconds since the epoch. */
export type Instant = number

export interface ManifestRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  /** The bytes as they were pushed. Shared with a cache: not to be changed. */
  readonly body: Uint8Array
}

/** Where the bytes of a blob are: a row of the metadata, or the blob store. */
export type BlobContent =
  { readonly kind: 'inline'; readonly bytes: Uint8Array } | { readonly kind: 'stored'; readonly key: DataKey }

/** A blob in a repository. */
export interface BlobLink {
  readonly digest: Digest
  readonly size: number
  /**
   * Set while no manifest of the repository refers to the blob: when its grace period began. A reply that
   * says the blob exists must first renew it with `touchBlob`, unless that was done moments ago.
   */
  readonly unreferencedSince: Instant | undefined
}

export interface BlobRecord extends BlobLink {
  readonly content: BlobContent
}

/** One page of a listing. `next` is the exclusive start of the following page; undefined at the end. */
export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | undefined
}

export interface ReferrerRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  /** An image manifest's artifactType, else its config's media type; an index's artifactType or undefined. */
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
}

export interface UploadRecord {
  /** Unguessable; also the Docker-Upload-UUID. */
  readonly id: string
  readonly repository: RepositoryName
  readonly algorithm: DigestAlgorithm
  readonly held: Held
  /** Saved state of a resumable hasher over all held bytes. */
  readonly hashState: Uint8Array | undefined
  /** The digest of all held bytes in `algorithm`, as the last writer left it. */
  readonly digest: Digest | undefined
  readonly startedAt: Instant
  readonly touchedAt: Instant
}

/** The right to write to an upload. One at a time in the whole registry. */
export interface UploadClaim {
  readonly upload: UploadRecord
  /** What the upload holds now; need not survive a power cut, must survive a crash of the process. */
  save(state: {
    readonly held: Held
    readonly hashState: Uint8Array | undefined
    readonly digest: Digest | undefined
    readonly now: Instant
  }): Promise<void>
  release(): Promise<void>
}

export type ReferenceKind = 'config' | 'layer' | 'manifest' | 'blob'

export interface ManifestReference {
  readonly digest: Digest
  readonly kind: ReferenceKind
  /** False for non-distributable layers, which nobody pushes. */
  readonly required: boolean
}

export interface NewManifest {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly body: Uint8Array
  readonly annotations: Readonly<Record<string, string>> | undefined
  readonly subject: Digest | undefined
  readonly references: readonly ManifestReference[]
  /** Set to this manifest in the same step; may be empty (push by digest). */
  readonly tags: readonly Tag[]
  /** True: store it although required references are missing (sparse content). */
  readonly allowMissing: boolean
  readonly now: Instant
  readonly note?: ChangeNote | undefined
}

export type PutManifestResult =
  { readonly kind: 'stored' } | { readonly kind: 'missing'; readonly missing: readonly ManifestReference[] }

export interface NewBlob {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly size: number
  /** `stored`: already published in the blob store. */
  readonly content: BlobContent
  /** The upload that ends with this blob, if there is one. */
  readonly uploadId: string | undefined
  readonly now: Instant
  readonly note?: ChangeNote | undefined
}

/** What a change that knows no time of its own needs for its note. */
export interface Noted {
  readonly note: ChangeNote | undefined
  readonly now: Instant
}

export type UnlinkBlobResult =
  | { readonly kind: 'unlinked' }
  | { readonly kind: 'unknown' }
  /** A manifest of the repository needs it: nothing was changed. */
  | { readonly kind: 'in-use'; readonly manifest: Digest }

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
  /** Repositories that hold at least one manifest, in ASCII order. */
  listRepositories(page: { readonly after?: string; readonly limit: number }): Promise<Page<RepositoryName>>
  /** By digest, ascending. An unknown repository or subject has no referrers. */
  listReferrers(
    repository: RepositoryName,
    subject: Digest,
    page: { readonly artifactType?: string; readonly after?: string; readonly limit: number },
  ): Promise<Page<ReferrerRecord>>
  findUpload(repository: RepositoryName, id: string): Promise<UploadRecord | undefined>
  /** Whether changes can be made now; the reason where not. Asks the disk or the engine, not a cache. */
  writeHealth(): Promise<{ readonly ok: true } | { readonly ok: false; readonly reason: string }>
}

/**
 * A `note` goes to the outbox in the same transaction, with what the change did, if and only if the change was made:
 * none for what was missing, unknown or in use.
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
  /** Links existing content; false when no repository of `from` (undefined: of all) has it linked. Rescues. */
  mountBlob(mount: {
    readonly digest: Digest
    readonly to: RepositoryName
    readonly from: readonly RepositoryName[] | undefined
    readonly now: Instant
    readonly note?: ChangeNote | undefined
  }): Promise<boolean>
  /** Begins the grace period of an unreferenced blob anew; rescues. False when it is not linked any more. */
  touchBlob(repository: RepositoryName, digest: Digest, now: Instant): Promise<boolean>
  unlinkBlob(
    repository: RepositoryName,
    digest: Digest,
    now: Instant,
    note?: ChangeNote,
  ): Promise<UnlinkBlobResult>
  putManifest(manifest: NewManifest): Promise<PutManifestResult>
  /** Only the tag goes. False when there was none. */
  deleteTag(repository: RepositoryName, tag: Tag, now: Instant, note?: ChangeNote): Promise<boolean>
  /** The manifest with every tag on it. False when there was none. */
  deleteManifest(
    repository: RepositoryName,
    digest: Digest,
    now: Instant,
    note?: ChangeNote,
  ): Promise<boolean>
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
  /** Undefined when somebody else holds it. Renew at less than half of `ttl` (ms). */
  acquireLease(name: string, holder: string, ttl: number, now: Instant): Promise<boolean>
  releaseLease(name: string, holder: string): Promise<void>
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
  /** Repositories with no manifest, no blob link and no upload. */
  dropEmptyRepositories(step: GarbageStep): Promise<GarbagePage>
  /** Data keys whose rows are gone durably: their bytes may be removed. */
  pendingDeletes(limit: number): Promise<readonly DataKey[]>
  forgetPendingDeletes(keys: readonly DataKey[]): Promise<void>
  /** Gives room that removed content had in the store back to the machine, a little at each call: bytes; 0 when it is done. */
  reclaim(): Promise<number>
  /** The latest wall clock time that this store has seen a collector report, and until when deletion is suspended. */
  clock(): Promise<{ readonly seenAt: Instant | undefined; readonly suspendedUntil: Instant | undefined }>
  recordClock(clock: {
    readonly seenAt: Instant
    readonly suspendedUntil: Instant | undefined
  }): Promise<void>
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

export interface InventoryBlob {
  readonly digest: Digest
  readonly size: number
  readonly content: BlobContent
  readonly repositories: readonly RepositoryName[]
}

export interface InventoryManifest {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  readonly body: Uint8Array
  /** Required blobs and children that are not in the repository. */
  readonly missing: readonly Digest[]
}

/** Everything there is, paged, for fsck and backup; no read transaction is held between pages. */
export interface InventoryStore {
  totals(): Promise<{
    readonly repositories: number
    readonly manifests: number
    readonly tags: number
    readonly blobs: number
    /** Bytes of the distinct blobs. */
    readonly bytes: number
    readonly uploads: number
  }>
  blobs(page: { readonly after?: string; readonly limit: number }): Promise<Page<InventoryBlob>>
  manifests(page: { readonly after?: string; readonly limit: number }): Promise<Page<InventoryManifest>>
  /** Data keys of `keys` that no blob, upload or pending deletion knows. */
  unknownKeys(keys: readonly DataKey[]): Promise<readonly DataKey[]>
  /** Whether the digest's content is still this one. */
  hasContent(digest: Digest, content: BlobContent): Promise<boolean>
  /** A blob whose bytes are lost: its links and its row go (pushing it again heals), the key goes to the pending deletions. False when `content` is not its content any more. */
  dropBlob(digest: Digest, content: BlobContent, now: Instant): Promise<boolean>
  /** A manifest whose stored bytes do not match: it goes with its tags; what only it needed begins its grace period. */
  dropManifest(repository: RepositoryName, digest: Digest, now: Instant): Promise<boolean>
}

/** Who asked for a change and how, as the audit wants it: a text that is kept with the change, never read here. */
export type ChangeNote = string

/**
 * Notes of changes (and of denials) on their way to the audit log; each is a row of its change's own transaction. When
 * more wait than the store was opened to bear, a change with a note is refused (OciError UNAVAILABLE) or goes on and
 * is only counted, as it was told.
 */
export interface Outbox {
  /** Notes without a change, all or none. Durable when it resolves; rejects as a change does. */
  record(notes: readonly ChangeNote[], now: Instant): Promise<void>
  /** Ascending, after `after`; ids grow and are never used twice. */
  read(page: { readonly after: number; readonly limit: number }): Promise<readonly OutboxEntry[]>
  /** These and all before are in the log. Need not survive a power cut: who reads them again knows them by their ids. */
  forget(upTo: number): Promise<void>
  /** What waits; `bytes` is near enough. */
  size(): Promise<{ readonly rows: number; readonly bytes: number }>
  /** A signed head of a log, kept here as its second place. Need not survive a power cut. */
  saveHead(log: string, head: string): Promise<void>
  head(log: string): Promise<string | undefined>
  /** The key that signs heads, durably, unless there is one: that which is kept. */
  saveKey(key: string): Promise<string>
  key(): Promise<string | undefined>
}

export interface OutboxEntry {
  readonly id: number
  /** Undefined: the facts tell of changes that went unrecorded, `{"unrecorded":{"count","since","until"}}`. */
  readonly note: ChangeNote | undefined
  /** What the change did; undefined where there was none. */
  readonly facts: Facts | undefined
}

/**
 * JSON. Of a change: `digest`, `size`, `mediaType`, `artifactType`, `subject`; `known` when it was there already;
 * `from`, a mount's source; `tags`, at most 100 `{name, before}`: what each pointed to, null when it is new, and
 * `tagCount` when there are more.
 */
export type Facts = Readonly<Record<string, unknown>>

export interface RobotRecord {
  readonly name: string
  readonly description: string | undefined
  /** SHA-256 of the secret, which is random: hexadecimal. */
  readonly secretHash: string
  /** Names the secret in the audit. */
  readonly credentialId: string
  /** What it may do, as JSON. */
  readonly grants: string
  readonly createdAt: Instant
  /** Undefined: never. */
  readonly expiresAt: Instant | undefined
}

export interface SigningKeyRecord {
  readonly id: string
  /** PKCS #8 PEM. */
  readonly privateKey: string
  readonly createdAt: Instant
}

/** Robots and signing keys, shared by all workers and replicas. Changes are durable when they resolve. */
export interface AccessStore {
  /** False when the name is taken. */
  addRobot(robot: RobotRecord, note?: ChangeNote): Promise<boolean>
  findRobot(name: string): Promise<RobotRecord | undefined>
  listRobots(): Promise<readonly RobotRecord[]>
  /** False when there was none. */
  removeRobot(name: string, noted?: Noted): Promise<boolean>
  /** Newest first. */
  signingKeys(): Promise<readonly SigningKeyRecord[]>
  /** Adds the key unless one that is newer than `unlessNewerThan` is there; forgets those made before `forgetBefore`. */
  rotateSigningKey(
    key: SigningKeyRecord,
    limits: { readonly unlessNewerThan: Instant; readonly forgetBefore: Instant },
  ): Promise<void>
}

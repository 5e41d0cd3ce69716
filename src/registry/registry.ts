import type { ByteSource } from '../blobs/blob-store.ts'
import type { HistoryStore } from '../metadata/history-store.ts'
import type {
  FreedByRemoval,
  ReadState,
  ReferrerRecord,
  RepositoryFigures,
  UntaggedRecord,
} from '../metadata/records.ts'
import type { ByteRange } from '../oci/byte-range.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference, Tag } from '../oci/tag.ts'
import type { Requester } from './requester.ts'

/**
 * The rules of an OCI registry, without HTTP, SQL or paths. Absence is `undefined`; a client's error is an
 * OciError. Methods that return or change content receive the requester.
 */
export interface Registry {
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly manifests: Manifests
  readonly listings: Listings
  readonly history: HistoryStore
}

export interface BlobStat extends ReadState {
  readonly digest: Digest
  readonly size: number
  /** `application/octet-stream`; a manifest that is requested as a blob keeps its own media type. */
  readonly mediaType: string
}

export interface OpenBlob extends BlobStat {
  /** The whole content if it is in memory already; then `stream` need not be called. */
  readonly bytes: Uint8Array | undefined
  /** A URL of the content, where clients are to fetch it there: then `stream` must not be called. */
  readonly location?: string
  /** May be called several times (several ranges), one after the other. */
  stream(range?: ByteRange): ByteSource
  /** Must be called once in every case. */
  close(): void
}

export interface Blobs {
  stat(requester: Requester, repository: RepositoryName, digest: Digest): Promise<BlobStat | undefined>
  open(requester: Requester, repository: RepositoryName, digest: Digest): Promise<OpenBlob | undefined>
  /** False: it does not exist. OciError UNSUPPORTED while a manifest of the repository needs it. */
  remove(requester: Requester, repository: RepositoryName, digest: Digest): Promise<boolean>
  /** Repositories in which the blob is linked; at most `limit`. */
  holders(digest: Digest, limit: number): Promise<readonly RepositoryName[]>
  /** Mounts from the first repository of `from` that has the blob. False: none has it. */
  mount(
    requester: Requester,
    to: RepositoryName,
    digest: Digest,
    from: readonly RepositoryName[],
  ): Promise<boolean>
}

export interface UploadStatus {
  readonly id: string
  readonly repository: RepositoryName
  /** Bytes received so far. */
  readonly offset: number
}

/** A request body: undefined when the request has none. */
export interface Body {
  readonly source: ByteSource
  /** Content-Length; undefined with chunked transfer encoding. */
  readonly length: number | undefined
  /** Content-Range: the position of the body in the upload. */
  readonly range?: ByteRange | undefined
  /** The client sends the body only when it is first read (Expect: 100-continue). */
  readonly onDemand: boolean
}

/** A blob to be pushed and its requester. */
export interface PushedBlob {
  readonly requester: Requester
  readonly repository: RepositoryName
  readonly digest: Digest
}

/** An upload and the requester that continues it. */
export interface UploadAddress {
  readonly requester: Requester
  readonly repository: RepositoryName
  readonly id: string
}

export interface Uploads {
  open(
    requester: Requester,
    repository: RepositoryName,
    algorithm: DigestAlgorithm | undefined,
  ): Promise<UploadStatus>
  status(upload: UploadAddress): Promise<UploadStatus | undefined>
  /**
   * Throws OciError RANGE_INVALID for a range that does not start at the offset, SIZE_INVALID for one with
   * another length than the body; nothing is changed then. Unknown upload: BLOB_UPLOAD_UNKNOWN.
   */
  append(upload: UploadAddress, body: Body, signal?: AbortSignal): Promise<UploadStatus>
  /**
   * The closing PUT. OciError DIGEST_INVALID: the upload is discarded, unless an earlier closing PUT was cut.
   * This one may then repeat the cut request or send the rest, and the client may try again. If the upload
   * was finished by an earlier PUT, this one succeeds as well, and the blob's grace period begins anew.
   */
  finish(id: string, blob: PushedBlob, body: Body | undefined, signal?: AbortSignal): Promise<void>
  /** POST with `?digest=`: the whole blob in one request. */
  single(blob: PushedBlob, body: Body, signal?: AbortSignal): Promise<void>
  /** False: there was no such upload. */
  cancel(upload: UploadAddress): Promise<boolean>
}

export interface ManifestContent extends ReadState {
  readonly digest: Digest
  readonly mediaType: string
  readonly body: Uint8Array
}

export interface PutManifestOptions {
  readonly requester: Requester
  readonly repository: RepositoryName
  readonly reference: Reference
  /** `?tag=`, for a push by digest only. */
  readonly tags: readonly Tag[]
  /** Content-Type without parameters; undefined when the request had none. */
  readonly contentType: string | undefined
  readonly body: Uint8Array
}

export interface PutManifestReply {
  readonly digest: Digest
  readonly subject: Digest | undefined
  readonly tags: readonly Tag[]
}

export interface Manifests {
  /** Largest body that `put` accepts, in bytes. */
  readonly sizeLimit: number
  get(
    requester: Requester,
    repository: RepositoryName,
    reference: Reference,
  ): Promise<ManifestContent | undefined>
  put(options: PutManifestOptions): Promise<PutManifestReply>
  /**
   * By tag, only the tag is removed; by digest, the manifest with all its tags. False: it does not exist.
   * OciError UNSUPPORTED while another manifest of the repository needs it.
   */
  remove(requester: Requester, repository: RepositoryName, reference: Reference): Promise<boolean>
}

export interface PageRequest {
  /** Most items of the page. Undefined: as many as are read at once. */
  readonly limit: number | undefined
  /** `last`: exclusive, need not exist. */
  readonly after: string | undefined
}

export interface Listing<T> extends ReadState {
  readonly items: readonly T[]
  /** `after` of the next page; undefined at the end. */
  readonly next: string | undefined
}

export interface Listings {
  /** At most 5,000. Undefined when the repository is unknown. */
  tags(repository: RepositoryName, page: PageRequest): Promise<Listing<Tag> | undefined>
  /**
   * Repositories that hold a manifest, of at most 1,000 that are examined: fewer than `limit`, even none,
   * does not mean the end.
   */
  repositories(page: PageRequest): Promise<Listing<RepositoryName>>
  /** What each of these repositories holds. Those that are gone meanwhile are left out. */
  figures(names: readonly RepositoryName[]): Promise<readonly RepositoryListing[]>
  /**
   * Includes referrers that an older client listed under the referrers tag (`sha256-<hex>`). Pages hold at
   * most about 4 MiB of JSON.
   */
  referrers(
    repository: RepositoryName,
    subject: Digest,
    page: { readonly artifactType: string | undefined; readonly after: string | undefined },
  ): Promise<Listing<ReferrerRecord>>
  /**
   * Untagged manifests that no manifest needs, and what their removal would free. At most 100 are examined
   * for a page: fewer than `limit`, even none, does not mean the end. Undefined when the repository is
   * unknown.
   */
  untagged(repository: RepositoryName, page: PageRequest): Promise<UntaggedListing | undefined>
  /** The same for one manifest; no item if it does not exist or a manifest needs it. */
  untaggedManifest(repository: RepositoryName, digest: Digest): Promise<UntaggedListing>
}

export interface RepositoryListing extends RepositoryFigures {
  readonly name: RepositoryName
}

export interface UntaggedListing extends Listing<UntaggedManifest> {
  /** Milliseconds after which a rule expires untagged manifests; undefined: they stay. */
  readonly expireAfter: number | undefined
}

export interface UntaggedManifest extends UntaggedRecord {
  readonly freed: FreedByRemoval
}

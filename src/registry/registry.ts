import type { ByteSource } from '../blobs/blob-store.ts'
import type { FreedByRemoval, ReferrerRecord, UntaggedRecord } from '../metadata/records.ts'
import type { ByteRange } from '../oci/byte-range.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference, Tag } from '../oci/tag.ts'
import type { Requester } from './requester.ts'

/**
 * The rules of an OCI registry, without HTTP, SQL or paths. Absence is `undefined`; what a client did wrong is an
 * OciError. What gives or takes content is told who asks.
 */
export interface Registry {
  readonly blobs: Blobs
  readonly uploads: Uploads
  readonly manifests: Manifests
  readonly listings: Listings
}

export interface BlobStat {
  readonly digest: Digest
  readonly size: number
  /** `application/octet-stream`; a manifest asked for as a blob keeps its own. */
  readonly mediaType: string
}

export interface OpenBlob extends BlobStat {
  /** The whole content where it is in memory already; then `stream` needs not be used. */
  readonly bytes: Uint8Array | undefined
  /** May be called several times (several ranges), one after the other. */
  stream(range?: ByteRange): ByteSource
  /** To be called once, whatever happened before. */
  close(): void
}

export interface Blobs {
  stat(requester: Requester, repository: RepositoryName, digest: Digest): Promise<BlobStat | undefined>
  open(requester: Requester, repository: RepositoryName, digest: Digest): Promise<OpenBlob | undefined>
  /** False when it is not there. OciError UNSUPPORTED while a manifest of the repository needs it. */
  remove(requester: Requester, repository: RepositoryName, digest: Digest): Promise<boolean>
  /** Repositories in which the blob is linked; at most `limit`. */
  holders(digest: Digest, limit: number): Promise<readonly RepositoryName[]>
  /** From the first of `from` that has it. False when none has. */
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
  /** Content-Range: where the upload gets it. */
  readonly range?: ByteRange | undefined
  /** The client sends it when it is first read, and not if it never is. */
  readonly onDemand: boolean
}

/** The blob that a push makes, and whose push it is. */
export interface PushedBlob {
  readonly requester: Requester
  readonly repository: RepositoryName
  readonly digest: Digest
}

/** An upload that somebody goes on with. */
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
   * A range that starts elsewhere than at the offset, or has another length than the body: OciError RANGE_INVALID or
   * SIZE_INVALID, nothing changed. Unknown: BLOB_UPLOAD_UNKNOWN.
   */
  append(upload: UploadAddress, body: Body, signal?: AbortSignal): Promise<UploadStatus>
  /**
   * The closing PUT. OciError DIGEST_INVALID: the upload is discarded, unless a closing PUT of it was cut: then this one
   * may have been the same once more, or the rest, and the client may try again. One that ended the upload already is
   * answered alike, and the blob's grace period begins anew.
   */
  finish(id: string, blob: PushedBlob, body: Body | undefined, signal?: AbortSignal): Promise<void>
  /** POST with `?digest=`: the whole blob in one request. */
  single(blob: PushedBlob, body: Body, signal?: AbortSignal): Promise<void>
  /** False when there was none. */
  cancel(upload: UploadAddress): Promise<boolean>
}

export interface ManifestContent {
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
  /** Largest body `put` takes, in bytes. */
  readonly sizeLimit: number
  get(
    requester: Requester,
    repository: RepositoryName,
    reference: Reference,
  ): Promise<ManifestContent | undefined>
  put(options: PutManifestOptions): Promise<PutManifestReply>
  /**
   * By tag only the tag goes; by digest the manifest with all its tags. False when it is not there. OciError UNSUPPORTED
   * while another manifest of the repository needs it.
   */
  remove(requester: Requester, repository: RepositoryName, reference: Reference): Promise<boolean>
}

export interface PageRequest {
  /** At most so many; undefined: as many as are read at once. */
  readonly limit: number | undefined
  /** `last`: exclusive, need not exist. */
  readonly after: string | undefined
}

export interface Listing<T> {
  readonly items: readonly T[]
  /** `after` of the next page; undefined at the end. */
  readonly next: string | undefined
}

export interface Listings {
  /** At most 5,000. Undefined when the repository is unknown. */
  tags(repository: RepositoryName, page: PageRequest): Promise<Listing<Tag> | undefined>
  /** Those of at most 1,000 that hold a manifest: fewer than `limit`, even none, does not mean that it is the end. */
  repositories(page: PageRequest): Promise<Listing<RepositoryName>>
  /** Includes what an older client listed under the referrers tag (`sha256-<hex>`). Pages hold at most about 4 MiB of JSON. */
  referrers(
    repository: RepositoryName,
    subject: Digest,
    page: { readonly artifactType: string | undefined; readonly after: string | undefined },
  ): Promise<Listing<ReferrerRecord>>
  /**
   * What nothing needs, and what removing it would free: of at most 100 that are looked at, so fewer, even none, does not mean
   * that it is the end. Undefined when the repository is unknown.
   */
  untagged(repository: RepositoryName, page: PageRequest): Promise<UntaggedListing | undefined>
  /** The same of one manifest; no item where it is not there or something needs it. */
  untaggedManifest(repository: RepositoryName, digest: Digest): Promise<UntaggedListing>
}

export interface UntaggedListing extends Listing<UntaggedManifest> {
  /** Milliseconds after which a rule takes them; undefined: they stay. */
  readonly expireAfter: number | undefined
}

export interface UntaggedManifest extends UntaggedRecord {
  readonly freed: FreedByRemoval
}

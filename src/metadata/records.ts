import type { Instant } from '../instant.ts'
import type { DataKey, Held } from '../blobs/blob-store.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Tag } from '../oci/tag.ts'
import type { ChangeNote } from './outbox.ts'

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
  /** JSON: an object of texts. A referrers list repeats it as it is. */
  readonly annotations: string | undefined
}

/** A manifest that no tag points to, that no index of the repository lists, and whose subject is not there. */
export interface UntaggedRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType: string | undefined
  /** Bytes of the manifest itself. */
  readonly size: number
  readonly untaggedSince: Instant
}

/** What goes with a manifest. */
export interface FreedByRemoval {
  /** Of the manifest and of the blobs that nothing else needs, in this repository and others; undefined: too many to count. */
  readonly bytes: number | undefined
  /** Manifests that it lists: they stay. Undefined with `bytes`. */
  readonly children: number | undefined
}

/** What is wanted of a list of referrers: it ends with the one that would bring it above `bytes`, but has at least one. */
export interface ReferrerPage {
  readonly artifactType?: string | undefined
  readonly after?: string | undefined
  readonly limit: number
  /** Of annotations and artifact types; about as many characters. */
  readonly bytes: number
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
  /**
   * The offset at which a closing request began that was cut: its client may send it again as a whole. Undefined: none
   * was, or the client has gone on from the offset since.
   */
  readonly cutFrom: number | undefined
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
    readonly cutFrom: number | undefined
    readonly now: Instant
  }): Promise<void>
  release(): Promise<void>
}

export type ReferenceKind = 'config' | 'layer' | 'manifest' | 'blob'

export interface ManifestReference {
  readonly digest: Digest
  /** Of the content in bytes, as the manifest says. */
  readonly size: number
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
  /** JSON: an object of texts. */
  readonly annotations: string | undefined
  readonly subject: Digest | undefined
  readonly references: readonly ManifestReference[]
  /** Set to this manifest in the same step; may be empty (push by digest). */
  readonly tags: readonly Tag[]
  /** Whose push it is, as the audit names them; undefined: not known. */
  readonly pusher: string | undefined
  /** True: store it although its config or layers are missing. */
  readonly allowMissing: boolean
  /** True: store it although children of it, an index, are missing. */
  readonly allowSparseIndex: boolean
  readonly now: Instant
  readonly note?: ChangeNote | undefined
  /** Of the policies that let it pass. */
  readonly policyGeneration?: number | undefined
}

export type PutManifestResult =
  | { readonly kind: 'stored' }
  | { readonly kind: 'missing'; readonly missing: readonly ManifestReference[] }
  /** Content that is there has another size (`size`) than the manifest says. */
  | {
      readonly kind: 'other-size'
      readonly others: readonly { readonly reference: ManifestReference; readonly size: number }[]
    }

export interface NewBlob {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly size: number
  /** `stored`: already published in the blob store. */
  readonly content: BlobContent
  /** Where `digest` is of another algorithm, the SHA-256 digest of the same bytes, as far as it is known. */
  readonly twin?: Digest | undefined
  /** The upload that ends with this blob, if there is one. */
  readonly uploadId: string | undefined
  readonly now: Instant
  readonly note?: ChangeNote | undefined
  /** Of the policies that let it pass. */
  readonly policyGeneration?: number | undefined
}

export interface BlobMount {
  readonly digest: Digest
  readonly to: RepositoryName
  /** Undefined: all. */
  readonly from: readonly RepositoryName[] | undefined
  readonly now: Instant
  readonly note?: ChangeNote | undefined
  /** Of the policies that let it pass. */
  readonly policyGeneration?: number | undefined
}

/** What a change is made to: content of a repository. */
export interface ContentChange {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly now: Instant
  readonly note?: ChangeNote | undefined
}

export interface TagRemoval {
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly now: Instant
  readonly note?: ChangeNote | undefined
}

/**
 * Content is in use in a repository while a manifest there refers to its digest, as a config, layer or child of an
 * index, whether it is a blob or a manifest itself. A subject is not in use by its referrers.
 */
export type RemovalResult =
  | { readonly kind: 'removed' }
  | { readonly kind: 'unknown' }
  /** That manifest needs it: nothing was changed. */
  | { readonly kind: 'in-use'; readonly manifest: Digest }

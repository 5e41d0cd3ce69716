import type { Instant } from '../instant.ts'
import type { DataKey, UploadContent } from '../blobs/blob-store.ts'
import type { Digest, DigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Tag } from '../oci/tag.ts'
import type { EncodedAuditRecord } from './outbox.ts'

/** What a read adds to its answer. */
export interface ReadState {
  /** Answered from a cache while the database was away: later changes may be missing. */
  readonly isStale?: true
}

export interface ManifestRecord extends ReadState {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  /** The bytes as pushed. Shared with a cache: must not be modified. */
  readonly body: Uint8Array
}

/** Where a blob's bytes are stored: in a row of the metadata, or in the blob store. */
export type BlobContent =
  { readonly kind: 'inline'; readonly bytes: Uint8Array } | { readonly kind: 'stored'; readonly key: DataKey }

/** A blob's link in a repository. */
export interface BlobLink extends ReadState {
  readonly digest: Digest
  readonly size: number
  /**
   * When the grace period began; set while no manifest of the repository refers to the blob. Before a reply
   * says that the blob exists, it must be renewed with `touchBlob`, unless it was renewed moments ago.
   */
  readonly unreferencedSince: Instant | undefined
}

export interface BlobRecord extends BlobLink {
  readonly content: BlobContent
}

/** One page of a listing. The next page starts after `next`, which is undefined at the end. */
export interface Page<T> extends ReadState {
  readonly items: readonly T[]
  readonly next: string | undefined
}

export interface ReferrerRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  /** An image manifest's artifactType, else its config's media type; an index's artifactType or undefined. */
  readonly artifactType: string | undefined
  /** A JSON object with string values. A referrers list repeats it unchanged. */
  readonly annotations: string | undefined
}

/**
 * A manifest that no tag points to, that no index of the repository lists, and whose subject does not exist.
 */
export interface UntaggedRecord {
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType: string | undefined
  /** Bytes of the manifest itself. */
  readonly size: number
  readonly untaggedSince: Instant
}

/** What the removal of a manifest frees. */
export interface FreedByRemoval {
  /**
   * Bytes of the manifest and of the blobs that nothing else needs, in any repository; undefined: too many to
   * count.
   */
  readonly bytes: number | undefined
  /** Number of manifests that it lists; they stay. Undefined when `bytes` is. */
  readonly children: number | undefined
}

/**
 * The options of a referrers page. The page stops before the item that would exceed `bytes`, but holds at
 * least one item.
 */
export interface ReferrerPage {
  readonly artifactType?: string | undefined
  readonly after?: string | undefined
  readonly limit: number
  /** Limit on annotations and artifact types together; about one byte per character. */
  readonly bytes: number
}

export interface UploadRecord {
  /** Unguessable. Also sent to clients as Docker-Upload-UUID. */
  readonly id: string
  readonly repository: RepositoryName
  readonly algorithm: DigestAlgorithm
  readonly content: UploadContent
  /** The saved state of a resumable hasher, over all held bytes. */
  readonly hashState: Uint8Array | undefined
  /** The digest of all held bytes in `algorithm`, as the last writer saved it. */
  readonly digest: Digest | undefined
  /**
   * The offset at which a closing request began that was cut off: its client may send that request again as a
   * whole. Undefined when there was none, or when the client has since continued from the offset.
   */
  readonly cutFrom: number | undefined
  readonly startedAt: Instant
  readonly touchedAt: Instant
}

/** What a claim saves of its upload. */
export interface SavedUpload {
  readonly content: UploadContent
  readonly hashState: Uint8Array | undefined
  readonly digest: Digest | undefined
  readonly cutFrom: number | undefined
  readonly now: Instant
}

/** The right to write to an upload. At most one in the whole registry. */
export interface UploadClaim {
  readonly upload: UploadRecord
  /**
   * Counts the claims of the upload, where its holder may lose it to another process. A change that carries the
   * number of an earlier claim changes nothing.
   */
  readonly fence?: number | undefined
  /**
   * Saves what the upload holds now. Must survive a crash of the process, need not survive a power cut. False:
   * the upload was cancelled, or the claim was lost; nothing was saved.
   */
  save(state: SavedUpload): Promise<boolean>
  release(): Promise<void>
}

export type ReferenceKind = 'config' | 'layer' | 'manifest' | 'blob'

export interface ManifestReference {
  readonly digest: Digest
  /** The content's size in bytes, according to the manifest. */
  readonly size: number
  readonly kind: ReferenceKind
  /** False for non-distributable layers, which clients do not push. */
  readonly required: boolean
}

export interface NewManifest {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly body: Uint8Array
  /** A JSON object with string values. */
  readonly annotations: string | undefined
  readonly subject: Digest | undefined
  readonly references: readonly ManifestReference[]
  /** Tags that point to this manifest after the change; empty for a push by digest. */
  readonly tags: readonly Tag[]
  /** The user who pushes it, named as in audit records; undefined when not known. */
  readonly pusher: string | undefined
  /** True: store the manifest even if its config or layers are missing. */
  readonly allowMissing: boolean
  /** True: store the manifest, an index, even if children are missing. */
  readonly allowSparseIndex: boolean
  readonly now: Instant
  readonly auditRecord?: EncodedAuditRecord | undefined
  /** The generation of the policies that allowed it. */
  readonly policyGeneration?: number | undefined
}

export type PutManifestResult =
  | { readonly kind: 'stored' }
  | { readonly kind: 'missing'; readonly missing: readonly ManifestReference[] }
  /** Stored content has another size (`size`) than the manifest says. */
  | {
      readonly kind: 'other-size'
      readonly others: readonly { readonly reference: ManifestReference; readonly size: number }[]
    }

export interface NewBlob {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly size: number
  /** `stored`: the bytes are already published in the blob store. */
  readonly content: BlobContent
  /** If `digest` uses another algorithm: the SHA-256 digest of the same bytes, where known. */
  readonly twin?: Digest | undefined
  /** The upload that this blob ends, if any. */
  readonly uploadId: string | undefined
  /** `UploadClaim.fence` of the claim under which the upload ends. */
  readonly fence?: number | undefined
  readonly now: Instant
  readonly auditRecord?: EncodedAuditRecord | undefined
  /** The generation of the policies that allowed it. */
  readonly policyGeneration?: number | undefined
}

export interface BlobMount {
  readonly digest: Digest
  readonly to: RepositoryName
  /** Undefined: any repository. */
  readonly from: readonly RepositoryName[] | undefined
  readonly now: Instant
  readonly auditRecord?: EncodedAuditRecord | undefined
  /** The generation of the policies that allowed it. */
  readonly policyGeneration?: number | undefined
}

/** The content that a change applies to. */
export interface ContentChange {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly now: Instant
  readonly auditRecord?: EncodedAuditRecord | undefined
}

export interface TagRemoval {
  readonly repository: RepositoryName
  readonly tag: Tag
  readonly now: Instant
  readonly auditRecord?: EncodedAuditRecord | undefined
}

/**
 * Content is in use in a repository while a manifest there refers to its digest as a config, a layer or a
 * child of an index; the content may be a blob or a manifest. A subject is not in use by its referrers.
 */
export type RemovalResult =
  | { readonly kind: 'removed' }
  | { readonly kind: 'unknown' }
  /** `manifest` refers to the content: nothing was changed. */
  | { readonly kind: 'in-use'; readonly manifest: Digest }

/** What a repository holds. */
export interface RepositoryFigures {
  readonly tags: number
  readonly manifests: number
  /** Bytes of its manifests, and of the blobs that they refer to; content that is shared within it counts once. */
  readonly bytes: number
  /** When a manifest or a tag was pushed last; milliseconds since the epoch. */
  readonly pushedAt: number
}

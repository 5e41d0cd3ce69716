import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Page, ReferenceKind } from './records.ts'

/**
 * The manifests and blobs that content refers to, and the manifests that refer to it, as far as stored
 * manifests say. Nothing is cached. Reads see every change that was answered before they began.
 */
export interface ContentStore {
  /**
   * Everything that the manifest refers to within its repository, directly or through other manifests, each
   * digest once. Undefined when the repository does not hold the manifest. Yields the event loop to other
   * requests.
   */
  closure(repository: RepositoryName, digest: Digest, limit: number): Promise<Closure | undefined>
  /**
   * Manifests of the repository that refer to the digest, in no meaningful order. `after` is an opaque cursor
   * from `next`.
   */
  parents(
    repository: RepositoryName,
    digest: Digest,
    page: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<Page<ParentRecord>>
  /**
   * Manifests of all repositories that refer to the digest, and the manifest itself in each repository that
   * holds it. Looks at no more than 1,000 repositories, so it may return fewer than `limit`, even none, and a
   * `next`. Copies of the manifest itself do not count towards `limit`; there is at most one per repository.
   */
  holders(
    digest: Digest,
    page: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<Page<HolderRecord>>
  /**
   * The other digest of a blob's bytes: the SHA-256 digest of a blob stored under another algorithm, or, for
   * a SHA-256 digest, the other digest under which the same bytes are stored. Undefined when there is none or
   * it has not been computed.
   */
  twinOf(digest: Digest): Promise<Digest | undefined>
  /** `twin` is the SHA-256 digest of the blob's bytes. False when there is no such blob. */
  setTwin(digest: Digest, twin: Digest): Promise<boolean>
}

export interface Closure {
  /** In no particular order. */
  readonly items: readonly ContainedRecord[]
  /** False: the closure has more than `limit` items. */
  readonly isComplete: boolean
}

/** Content that a manifest refers to. */
export interface ContainedRecord {
  readonly digest: Digest
  /** The kind in the first manifest that was found to refer to it. */
  readonly kind: ReferenceKind
  /** In bytes; undefined where the content is not in the repository. */
  readonly size: number | undefined
  /** Set for a manifest that the repository holds; its references are part of the closure too. */
  readonly mediaType: string | undefined
  /** Set for a blob: see `twinOf`. */
  readonly twin: Digest | undefined
}

/** A manifest that refers to the content. */
export interface ParentRecord {
  readonly digest: Digest
  readonly mediaType: string
  /** An image manifest's artifactType, else its config's media type; an index's artifactType or undefined. */
  readonly artifactType: string | undefined
  /** The kind of the reference. */
  readonly kind: ReferenceKind
}

export interface HolderRecord extends Omit<ParentRecord, 'kind'> {
  readonly repository: RepositoryName
  /** `self`: the manifest is the content itself. */
  readonly kind: ReferenceKind | 'self'
}

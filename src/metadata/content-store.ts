import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Page, ReferenceKind } from './records.ts'

/**
 * What content consists of, and what it is part of, as far as manifests that are kept say. Nothing is cached. Like every
 * read it sees all that was answered before.
 */
export interface ContentStore {
  /**
   * All that the manifest consists of within its repository, each digest once: what it names, what the manifests among that
   * name, and so on. Undefined when the manifest is not there. Takes turns with other requests.
   */
  closure(repository: RepositoryName, digest: Digest, limit: number): Promise<Closure | undefined>
  /**
   * Manifests of the repository that name the content, in no order that means anything. `after` is an opaque word from `next`.
   */
  parents(
    repository: RepositoryName,
    digest: Digest,
    page: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<Page<ParentRecord>>
  /**
   * The same in all repositories, and the manifest itself wherever it is kept. Looks at no more than 1,000 repositories, so it
   * may give fewer than `limit`, even none, and a `next`. Copies of the manifest come beside `limit`, one a repository at most.
   */
  holders(
    digest: Digest,
    page: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<Page<HolderRecord>>
  /**
   * The other digest of a blob's bytes: of one that is kept under another algorithm its SHA-256 digest, of a SHA-256 digest
   * the one under which the same bytes are kept besides. Undefined: there is none, or nobody has computed it.
   */
  twinOf(digest: Digest): Promise<Digest | undefined>
  /** `twin` is the SHA-256 digest of the blob's bytes. False when there is no such blob. */
  setTwin(digest: Digest, twin: Digest): Promise<boolean>
}

export interface Closure {
  /** In no order. */
  readonly items: readonly ContainedRecord[]
  /** False: there is more than `limit`. */
  readonly isComplete: boolean
}

/** Content that a manifest names. */
export interface ContainedRecord {
  readonly digest: Digest
  /** As the first manifest names it that was looked at. */
  readonly kind: ReferenceKind
  /** In bytes; undefined where the content is not in the repository. */
  readonly size: number | undefined
  /** Of a manifest that is in the repository; what it names is part of the closure, too. */
  readonly mediaType: string | undefined
  /** Of a blob: see `twinOf`. */
  readonly twin: Digest | undefined
}

/** A manifest that names content. */
export interface ParentRecord {
  readonly digest: Digest
  readonly mediaType: string
  /** An image manifest's artifactType, else its config's media type; an index's artifactType or undefined. */
  readonly artifactType: string | undefined
  /** What the content is to it. */
  readonly kind: ReferenceKind
}

export interface HolderRecord extends Omit<ParentRecord, 'kind'> {
  readonly repository: RepositoryName
  /** `self`: it is the content itself. */
  readonly kind: ReferenceKind | 'self'
}

import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference, Tag } from '../oci/tag.ts'

export interface RemoteManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly body: Uint8Array
}

export interface RemoteReferrer {
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType: string | undefined
  readonly size: number
}

/** When and by whom; times are ISO 8601. */
export interface RemoteSeen {
  readonly since: string
  /** True when it may be older: the registry kept no history at that time. */
  readonly atLatest: boolean
  readonly pusher?: string | undefined
}

/** What a tag points to, or pointed to until `until`. */
export interface RemoteTarget extends RemoteSeen {
  readonly digest: Digest
  readonly until?: string | undefined
  readonly end?: 'moved' | 'removed' | undefined
}

/** A repository, and what it holds. */
export interface RemoteRepository {
  readonly name: string
  readonly tags: number
  readonly manifests: number
  /** Content that is shared within it counts once. */
  readonly bytes: number
  /** ISO 8601. */
  readonly pushedAt: string
}

export interface RemoteUntagged {
  /** Milliseconds after which a rule of the registry deletes them; `undefined` if they stay. */
  readonly expireAfter: number | undefined
  readonly manifests: readonly {
    readonly digest: Digest
    readonly mediaType: string
    readonly artifactType?: string | undefined
    /** The size of the manifest itself, in bytes. */
    readonly size: number
    /** ISO 8601. */
    readonly untaggedSince: string
    /** Bytes that its deletion frees; `undefined` if there are more than the registry counts. */
    readonly frees?: number | undefined
    /** The number of manifests in this index. They stay when the index is deleted. */
    readonly children?: number | undefined
  }[]
}

/**
 * Another registry, or trow's own from outside, over the distribution API. Returns `undefined` for what does
 * not exist; throws UpstreamFault if the registry gives no usable answer.
 */
export interface RegistryClient {
  /** Resolves if the registry takes the credential of the client, or asks for none (`GET /v2/`). */
  ping(): Promise<void>
  /** Lists all repositories, or those behind `after`, page by page. */
  repositories(after?: string): AsyncIterable<string>
  /**
   * Yields repositories behind `after` with what each holds, in pages; `undefined` if the registry does not support
   * this: it is not trow, or an older trow.
   */
  repositoryPages(page: {
    readonly size: number
    readonly after?: string | undefined
  }): Promise<AsyncIterable<readonly RemoteRepository[]> | undefined>
  /** Returns all tags; `undefined` if the repository is unknown. */
  tags(repository: RepositoryName): Promise<readonly string[] | undefined>
  /**
   * Yields the tags behind `after` as the registry sends them, in pages of at most `size` if it takes that. Yields
   * nothing if the repository is unknown.
   */
  tagPages(
    repository: RepositoryName,
    page: { readonly size: number; readonly after?: string | undefined },
  ): AsyncIterable<readonly string[]>
  manifest(repository: RepositoryName, reference: Reference): Promise<RemoteManifest | undefined>
  /** Asks with HEAD; `undefined` also if the registry does not tell the digest. */
  digestOf(repository: RepositoryName, reference: Reference): Promise<Digest | undefined>
  /**
   * Yields the bytes of a blob from an offset, without comparing them with the digest. Throws UpstreamFault
   * `missing` if it does not exist, `unreachable` if the connection is cut: another call may go on.
   */
  openBlob(repository: RepositoryName, digest: Digest, offset: number): AsyncIterable<Uint8Array>
  /**
   * Returns a small blob (a config) in memory; `undefined` if it does not exist or has more than `limit`
   * bytes.
   */
  smallBlob(repository: RepositoryName, digest: Digest, limit: number): Promise<Uint8Array | undefined>
  referrers(repository: RepositoryName, subject: Digest): Promise<readonly RemoteReferrer[]>
  /**
   * Returns the manifests that nothing needs, oldest first; with `digest` only that one. Returns `undefined`
   * if the registry does not support this: it is not trow, or an older trow.
   */
  untagged(repository: RepositoryName, digest?: Digest): Promise<RemoteUntagged | undefined>
  /** Returns since when the repository knows the manifest; `undefined` if the registry does not support this. */
  firstSeen(repository: RepositoryName, digest: Digest): Promise<RemoteSeen | undefined>
  /** Returns what the tag points to and pointed to before, latest first; `undefined` as for `firstSeen`. */
  targets(repository: RepositoryName, tag: Tag): Promise<readonly RemoteTarget[] | undefined>
  /** Returns false if it did not exist. */
  deleteManifest(repository: RepositoryName, reference: Reference): Promise<boolean>
  close(): Promise<void>
}

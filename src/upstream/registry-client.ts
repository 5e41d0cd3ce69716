import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'

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

export interface RemoteUntagged {
  /** Milliseconds after which a rule of the registry takes them; undefined: they stay. */
  readonly expireAfter: number | undefined
  readonly manifests: readonly {
    readonly digest: Digest
    readonly mediaType: string
    readonly artifactType?: string | undefined
    /** Bytes of the manifest itself. */
    readonly size: number
    /** ISO 8601. */
    readonly untaggedSince: string
    /** Bytes that go with it; undefined: more than the registry counts. */
    readonly frees?: number | undefined
    /** Manifests that it lists: they stay. */
    readonly children?: number | undefined
  }[]
}

/**
 * Another registry, or our own from outside, over the distribution API. Absence is undefined; what keeps it from
 * answering is an UpstreamFault.
 */
export interface RegistryClient {
  /** All repositories, page by page. */
  repositories(): AsyncIterable<string>
  /** All tags; undefined when the repository is unknown. */
  tags(repository: RepositoryName): Promise<readonly string[] | undefined>
  manifest(repository: RepositoryName, reference: Reference): Promise<RemoteManifest | undefined>
  /** A small blob (a config) in memory; undefined when it is not there or has more than `limit` bytes. */
  smallBlob(repository: RepositoryName, digest: Digest, limit: number): Promise<Uint8Array | undefined>
  referrers(repository: RepositoryName, subject: Digest): Promise<readonly RemoteReferrer[]>
  /**
   * Manifests that nothing needs, oldest first, or what is to be said of one. Undefined where the registry cannot tell: it is
   * not trow, or an older one.
   */
  untagged(repository: RepositoryName, digest?: Digest): Promise<RemoteUntagged | undefined>
  /** False when it was not there. */
  deleteManifest(repository: RepositoryName, reference: Reference): Promise<boolean>
  close(): Promise<void>
}

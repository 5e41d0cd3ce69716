import type { DataKey } from '../blobs/blob-store.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Instant } from '../instant.ts'
import type { BlobContent, Page } from './records.ts'

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

import type { DataKey } from '../blobs/blob-store.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Instant } from '../instant.ts'
import type { BlobContent, Page, RepositoryFigures } from './records.ts'

export interface InventoryBlob {
  readonly digest: Digest
  readonly size: number
  readonly content: BlobContent
  /** See `ContentStore.twinOf`. */
  readonly twin: Digest | undefined
  readonly repositories: readonly RepositoryName[]
}

export interface InventoryManifest {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  readonly body: Uint8Array
  /** Required blobs and children that the repository does not hold. */
  readonly missing: readonly Digest[]
}

/** Lists and counts all content, in pages, for lists, fsck and backup. No read transaction is held between pages. */
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
  /** Undefined when the repository is unknown. Counts its rows, and yields the event loop to other requests. */
  figures(repository: RepositoryName): Promise<RepositoryFigures | undefined>
  blobs(page: { readonly after?: string; readonly limit: number }): Promise<Page<InventoryBlob>>
  manifests(page: { readonly after?: string; readonly limit: number }): Promise<Page<InventoryManifest>>
  /** Those of `keys` that no blob, upload or pending deletion has. */
  unknownKeys(keys: readonly DataKey[]): Promise<readonly DataKey[]>
  /** Whether the digest's content is still `content`. */
  hasContent(digest: Digest, content: BlobContent): Promise<boolean>
  /**
   * Removes a blob whose bytes are lost: deletes its links and its row, and adds its key to the pending
   * deletions. Pushing the blob again repairs it. False when `content` is no longer its content.
   */
  dropBlob(digest: Digest, content: BlobContent, now: Instant): Promise<boolean>
  /**
   * Removes a manifest whose stored bytes do not match its digest, and its tags. Content that only this
   * manifest needed begins its grace period.
   */
  dropManifest(repository: RepositoryName, digest: Digest, now: Instant): Promise<boolean>
}

import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'

/** Bytes that can be read from any place on, as often as it takes. */
export interface BlobSource {
  readonly digest: Digest
  readonly size: number
  open(offset: number): AsyncIterable<Uint8Array>
}

export interface BlobProgress {
  /** Bytes that the registry has, or that are on their way to it; may go back when a connection is cut. */
  sent(bytes: number): void
  /** A connection was cut; the upload goes on. */
  interrupted(reason: Error): void
}

/** Pushes to another registry, or to our own from outside. Errors are those of RegistryClient. */
export interface RegistryPusher {
  /**
   * `there`: nothing had to travel; `mounted`: another repository had it. An upload that is cut goes on where the registry
   * says that it was (distribution-spec, "Pushing a blob in chunks"), as long as attempts bring it further; five in a row
   * that bring nothing are the end. Throws UpstreamFault `unexpected-status` for content that is not of its digest.
   */
  pushBlob(
    repository: RepositoryName,
    source: BlobSource,
    progress?: BlobProgress,
  ): Promise<'there' | 'mounted' | 'pushed'>
  /** Returns the digest that the registry gave it. */
  pushManifest(
    repository: RepositoryName,
    reference: Reference,
    manifest: { readonly mediaType: string; readonly body: Uint8Array },
  ): Promise<string>
  close(): Promise<void>
}

import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/repository-name.ts'
import type { Reference } from '../oci/tag.ts'

/** Bytes that can be read from any offset, any number of times. */
export interface BlobSource {
  readonly digest: Digest
  readonly size: number
  /** A repository of the same registry that has the blob. */
  readonly mountFrom?: RepositoryName | undefined
  open(offset: number): AsyncIterable<Uint8Array>
}

export interface BlobProgress {
  /**
   * The number of bytes that the registry has or that were sent to it. It may decrease after a cut
   * connection.
   */
  sent(bytes: number): void
  /** A connection was cut; the upload continues. */
  interrupted(reason: Error): void
}

/** Pushes to another registry, or to trow's own from outside. Its errors are those of RegistryClient. */
export interface RegistryPusher {
  /**
   * Returns `there` if the registry had the blob, and `mounted` if another repository had it. A cut upload
   * continues at the offset that the registry reports (distribution-spec, "Pushing a blob in chunks"), as
   * long as attempts make progress; it fails after five attempts in a row without any. Throws UpstreamFault
   * `unexpected-status` if the content does not have the digest.
   */
  pushBlob(
    repository: RepositoryName,
    source: BlobSource,
    progress?: BlobProgress,
  ): Promise<'there' | 'mounted' | 'pushed'>
  /** Returns the digest that the registry computed. */
  pushManifest(
    repository: RepositoryName,
    reference: Reference,
    manifest: { readonly mediaType: string; readonly body: Uint8Array },
  ): Promise<string>
  close(): Promise<void>
}

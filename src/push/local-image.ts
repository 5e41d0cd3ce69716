import type { Digest } from '../oci/digest.ts'
import type { BlobSource } from '../upstream/registry-pusher.ts'

export interface LocalManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly body: Uint8Array
  readonly blobs: readonly BlobSource[]
}

/** The content to push, of an image on this machine. */
export interface LocalImage {
  /** Each manifest comes after those to which it refers; the last one gets the tag. */
  readonly manifests: readonly LocalManifest[]
  /** The name in the archive: `docker.io/library/app:1`. */
  readonly name: string | undefined
  /** What is not pushed, as text for the user. */
  readonly notes: readonly string[]
}

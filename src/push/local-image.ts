import type { Digest } from '../oci/digest.ts'
import type { BlobSource } from '../upstream/registry-pusher.ts'

export interface LocalManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly body: Uint8Array
  readonly blobs: readonly BlobSource[]
}

/** What is to be pushed of an image that is on this machine. */
export interface LocalImage {
  /** What the manifests refer to comes before them; the last one gets the tag. */
  readonly manifests: readonly LocalManifest[]
  /** As the archive calls it: `docker.io/library/app:1`. */
  readonly name: string | undefined
  /** What of it is not pushed, for the person at the terminal. */
  readonly notes: readonly string[]
}

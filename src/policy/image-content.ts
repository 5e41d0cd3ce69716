import type { Digest } from '../oci/digest.ts'
import type { FactFailure } from './reasons.ts'

/** What the registry knows of the bytes that a name stands for. */
export interface ImageContent {
  /** Its own digest, in every algorithm under which somebody may ask for the same bytes. */
  readonly digests: readonly Digest[]
  /** Whatever it consists of, down to the layers, in every such algorithm: children, configs, layers. Not what it is part of. */
  readonly contains: readonly Digest[]
  /** `os/architecture[/variant]` of an image, or of the images of an index. */
  readonly platforms: readonly string[]
  /** Platforms of each index of the same repository that lists it: nodes fetch the index and then its child by digest. */
  readonly listedBy: readonly (readonly string[])[]
  /** Bytes of all that it consists of, each digest once. */
  readonly size: number
  /**
   * Whether it is a signature, an attestation or a bill of materials by its content: every layer's media type says so. A name
   * proves nothing, since an image that runs can be pushed under any tag.
   */
  readonly isEvidence: boolean
}

/** What could be found out of the content. Not asked yet: undefined. */
export type ContentFact =
  | { readonly kind: 'known'; readonly content: ImageContent }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: FactFailure }

import type { Digest } from '../oci/digest.ts'
import type { FactFailure } from './reasons.ts'

/** The registry's facts about the content that a name refers to. */
export interface ImageContent {
  /** The content's own digest, in every algorithm by which a client may request the same bytes. */
  readonly digests: readonly Digest[]
  /**
   * The digests of everything it consists of, down to the layers (children, configs, layers), in every such
   * algorithm. Not those of the indexes that list it.
   */
  readonly contains: readonly Digest[]
  /** `os/architecture[/variant]` of an image, or of each image of an index. Undefined: not looked up. */
  readonly platforms: readonly string[] | undefined
  /**
   * The platforms of each index of the same repository that lists it: nodes fetch the index and then its
   * child by digest.
   */
  readonly listedBy: readonly (readonly string[])[]
  /** Bytes of everything it consists of, each digest counted once. */
  readonly size: number
  /**
   * Whether its content is a signature, an attestation or a bill of materials: every layer's media type says
   * so. The name is not considered, because a runnable image can be pushed under any tag.
   */
  readonly isEvidence: boolean
}

/** The result of a look-up of content. Undefined: not looked up yet. */
export type ContentFact =
  | { readonly kind: 'known'; readonly content: ImageContent }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: FactFailure }

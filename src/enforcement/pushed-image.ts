import { digestAlgorithm } from '../oci/digest.ts'
import { isIndexType } from '../oci/media-types.ts'
import type { KeptManifest } from './closure.ts'
import { isEvidence } from './evidence.ts'
import { ImageParts, mostDigests } from './image-parts.ts'
import type { SeenContent } from './seen-content.ts'

/**
 * The content of an image that is being pushed, without its platforms: its manifest says all of it, so nothing
 * is looked up. Undefined where that is not so: an index has children with content of their own, and content
 * under another digest than sha256 has to be hashed.
 */
export function pushedImage({ digest, body, parsed }: Required<KeptManifest>): SeenContent | undefined {
  const { mediaType, references } = parsed
  if (isIndexType(mediaType) || references.length > mostDigests || digestAlgorithm(digest) !== 'sha256')
    return undefined
  const parts = new ImageParts()
  for (const link of references) {
    if (digestAlgorithm(link.digest) !== 'sha256') return undefined
    parts.add(link)
  }
  const content = {
    digests: [digest],
    contains: parts.digests(),
    platforms: undefined,
    listedBy: [],
    size: body.byteLength + parts.size,
    isEvidence: isEvidence(parsed),
  }
  return { fact: { kind: 'known', content }, isSettled: true }
}

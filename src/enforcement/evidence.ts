import type { Manifest } from '../oci/manifest.ts'
import { isIndexType } from '../oci/media-types.ts'

/**
 * Media types of layers with signatures, attestations and bills of materials: cosign, sigstore bundles,
 * Notation, in-toto, SPDX, CycloneDX, Syft.
 */
const evidenceTypes: ReadonlySet<string> = new Set([
  'application/vnd.dev.cosign.simplesigning.v1+json',
  'application/vnd.dev.sigstore.bundle+json',
  'application/vnd.dsse.envelope.v1+json',
  'application/jose+json',
  'application/cose',
  'application/vnd.in-toto+json',
  'application/vnd.in-toto.bundle',
  'application/spdx+json',
  'application/vnd.cyclonedx+json',
  'application/vnd.cyclonedx+xml',
  'application/vnd.syft+json',
  'text/spdx',
  'text/spdx+json',
  'text/spdx+xml',
])
const bundle = /^application\/vnd\.dev\.sigstore\.bundle\.v0\.[1-9]\+json$/

/** Judged by the content, because a name, a tag or an artifact type can be given to any image. */
export function isEvidence({ mediaType, layers }: Manifest): boolean {
  return (
    !isIndexType(mediaType) && layers.length > 0 && layers.every((layer) => isEvidenceType(layer.mediaType))
  )
}

function isEvidenceType(mediaType: string): boolean {
  const [name = ''] = mediaType.toLowerCase().split(';')
  return evidenceTypes.has(name.trim()) || bundle.test(name.trim())
}

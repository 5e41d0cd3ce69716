import type { ReferrerRecord } from '../metadata/records.ts'
import { ociImageIndex } from '../oci/media-types.ts'

/** The image index of a referrers list. Annotations are sent as the JSON text that is stored. */
export function referrersIndex(records: readonly ReferrerRecord[]): string {
  const entries = records.map(({ mediaType, size, digest, artifactType, annotations }) => {
    // JSON.stringify leaves out what is undefined.
    const entry = JSON.stringify({ mediaType, digest, size, artifactType })
    return annotations === undefined ? entry : `${entry.slice(0, -1)},"annotations":${annotations}}`
  })
  return `{"schemaVersion":2,"mediaType":"${ociImageIndex}","manifests":[${entries.join(',')}]}`
}

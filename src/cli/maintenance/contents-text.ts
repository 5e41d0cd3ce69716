import { humanSize } from '../../settings/quantities.ts'
import type { ContentTotals } from '../../metadata/metadata-store.ts'
import { counted } from '../../counted.ts'

/**
 * `3 blobs (1.2 MB) and 2 manifests`: the same words for the same things in fsck, gc, backup and restore. `missing`:
 * those of the blobs whose bytes were lost before.
 */
export function contentsText({ blobs, bytes, manifests }: ContentTotals, missing = 0): string {
  const without = missing === 0 ? '' : `, without the bytes of ${missing} of the blobs`
  return `${counted(blobs, 'blob')} (${humanSize(bytes)}) and ${counted(manifests, 'manifest')}${without}`
}

import type { BlobStore } from '../blobs/blob-store.ts'
import type { RemovalResult } from '../metadata/records.ts'
import { OciError } from '../oci/oci-error.ts'

/** Throws OciError STORAGE_FULL once the reserve is reached; called before a body is read. */
export async function requireRoom(blobs: BlobStore): Promise<void> {
  if ((await blobs.room()) > 0) return
  throw new OciError('STORAGE_FULL', 'the registry has no room left', {
    detail:
      'pulls and deletions go on: delete what is not needed, or give the registry more room, and push again',
  })
}

/** False: it did not exist. Throws OciError UNSUPPORTED with the manifest that needs it. */
export function isRemoved(result: RemovalResult): boolean {
  if (result.kind !== 'in-use') return result.kind === 'removed'
  throw new OciError('UNSUPPORTED', 'the content is in use', {
    detail: `manifest ${result.manifest} of this repository needs it: delete that manifest first`,
  })
}

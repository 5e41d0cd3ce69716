import type { BlobStore } from '../blobs/blob-store.ts'
import { OciError } from '../oci/oci-error.ts'

/** Throws OciError STORAGE_FULL once the reserve is reached, before a body is taken. */
export async function requireRoom(blobs: BlobStore): Promise<void> {
  if ((await blobs.room()) > 0) return
  throw new OciError('STORAGE_FULL', 'the registry has no room left', {
    detail:
      'pulls and deletions go on: delete what is not needed, or give the registry more room, and push again',
  })
}

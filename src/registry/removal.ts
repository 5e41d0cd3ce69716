import type { RemovalResult } from '../metadata/records.ts'
import { OciError } from '../oci/oci-error.ts'

/** False: it was not there. OciError UNSUPPORTED names the manifest that needs it. */
export function isRemoved(result: RemovalResult): boolean {
  if (result.kind !== 'in-use') return result.kind === 'removed'
  throw new OciError('UNSUPPORTED', 'the content is in use', {
    detail: `manifest ${result.manifest} of this repository needs it: delete that manifest first`,
  })
}

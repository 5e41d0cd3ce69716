import { OciError } from '../oci/oci-error.ts'
import type { PageRequest } from '../registry/registry.ts'
import type { ServerRequest } from './server-request.ts'

/** `n` and `last` of a list (distribution-spec, "Listing Tags"). Throws OciError PAGINATION_NUMBER_INVALID. */
export function pageOf(request: ServerRequest): PageRequest {
  if (!request.hasQuery) return { limit: undefined, after: undefined }
  const n = request.query.get('n')
  const after = request.query.get('last') ?? undefined
  if (n === null || n === '') return { limit: undefined, after }
  // A number beyond the exact integers means all of them.
  if (/^\d+$/.test(n)) return { limit: Math.min(Number(n), Number.MAX_SAFE_INTEGER), after }
  throw new OciError('PAGINATION_NUMBER_INVALID', 'the number of results is not valid', {
    detail: `n=${n.slice(0, 100)}: n is a whole number from 0`,
  })
}

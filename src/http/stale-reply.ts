import type { FlatHeaders } from './reply.ts'

/** RFC 7234, 5.5.1: the reply comes from a cache that cannot ask whether it is still so. */
const staleWarning = '110 - "Response is Stale"'

/** Marks the reply where its content is stale. */
export function markStale(headers: FlatHeaders, { isStale }: { readonly isStale?: true }): void {
  if (isStale === true) headers.push('Warning', staleWarning)
}

import type { Reply } from './reply.ts'
import type { GivenValues } from './route.ts'

/**
 * Whether the reply needs an audit record of its own. A successful change has one already, written in the
 * transaction of the change.
 */
export function isAudited(method: string, { status }: Reply): boolean {
  if (method === 'GET' || method === 'HEAD') return true
  return !(status === 201 || (method === 'DELETE' && status === 202))
}

/** Without upload ids: they mean nothing later, and records that differ only in an id are not merged. */
export function referenceOf({ reference, digest }: GivenValues): string | undefined {
  return reference ?? digest
}

export function resolvedDigest({ headers }: Reply): string | undefined {
  const at = headers.indexOf('Docker-Content-Digest')
  return at === -1 ? undefined : headers[at + 1]
}

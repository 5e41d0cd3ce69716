import type { Reply } from './reply.ts'
import type { GivenValues } from './route.ts'

/** A change that was made has a note of its own, in its transaction; everything else that was let in is an access. */
export function isAudited(method: string, { status }: Reply): boolean {
  if (method === 'GET' || method === 'HEAD') return true
  return !(status === 201 || (method === 'DELETE' && status === 202))
}

/** Ids of uploads say nothing later, and would keep equal accesses apart. */
export function referenceOf({ reference, digest }: GivenValues): string | undefined {
  return reference ?? digest
}

export function resolvedDigest({ headers }: Reply): string | undefined {
  const at = headers.indexOf('Docker-Content-Digest')
  return at === -1 ? undefined : headers[at + 1]
}

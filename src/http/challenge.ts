import { OciError } from '../oci/oci-error.ts'
import type { Right } from './route.ts'

/** The scope that the client must request a token with ("token authentication scope"). */
export function scopeOf(right: Right, repository: string | undefined, source?: string): string | undefined {
  if (right === 'list' && repository === undefined) return 'registry:catalog:*'
  // Clients know no action `list`, so the challenge names `pull`; whether the caller may list is decided for
  // each request.
  if (right === 'list') return `repository:${repository}:pull`
  if (right === 'audit') return 'registry:audit:*'
  const actions = right === 'push' ? 'pull,push' : right
  if (repository === undefined || !(right === 'pull' || right === 'push' || right === 'delete'))
    return undefined
  const own = `repository:${repository}:${actions}`
  return source === undefined ? own : `${own} repository:${source}:pull`
}

/**
 * 401 with one Bearer challenge (RFC 6750, 3). Clients read only the first challenge, and only with Bearer
 * can docker mix anonymous pulls with authenticated pushes. Basic is accepted without being named.
 */
export function challenged(
  error: OciError,
  challenge: {
    readonly realm: string
    readonly service: string
    readonly scope: string | undefined
    readonly error?: 'invalid_token' | 'insufficient_scope'
  },
): OciError {
  const parts = [`realm="${challenge.realm}"`, `service="${challenge.service}"`]
  if (challenge.scope !== undefined) parts.push(`scope="${challenge.scope}"`)
  if (challenge.error !== undefined) parts.push(`error="${challenge.error}"`)
  return new OciError(error.code, error.message, {
    detail: error.detail,
    headers: { ...error.headers, 'WWW-Authenticate': `Bearer ${parts.join(',')}` },
    cause: error,
  })
}

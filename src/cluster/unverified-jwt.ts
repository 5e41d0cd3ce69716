/** What a JSON web token says of itself; nobody has verified it. */
export interface JwtClaims {
  /** Milliseconds since the epoch. */
  readonly until: number | undefined
  readonly audiences: readonly string[]
  readonly subject: string | undefined
}

/** Undefined for a token that is no JWT, such as a static one or `aws eks get-token`'s. */
export function readClaims(token: string): JwtClaims | undefined {
  const parts = token.split('.')
  if (parts.length !== 3) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8'))
    if (typeof claims !== 'object' || claims === null) return undefined
    const { exp, aud, sub } = claims as Record<string, unknown>
    const audiences = typeof aud === 'string' ? [aud] : Array.isArray(aud) ? aud : []
    return {
      until: typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 : undefined,
      audiences: audiences.filter((each): each is string => typeof each === 'string'),
      subject: typeof sub === 'string' ? sub : undefined,
    }
  } catch {
    return undefined
  }
}

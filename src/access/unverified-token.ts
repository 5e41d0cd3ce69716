/** What a JWT says of itself: to choose who judges it and to word a refusal. Never to be believed. */
export interface UnverifiedClaims {
  readonly iss: string | undefined
  readonly aud: readonly string[]
  /** Milliseconds since the epoch. */
  readonly exp: number | undefined
  readonly kid: string | undefined
}

/** Longer ones do not fit into a request's headers. */
export const longestToken = 16 * 1024

const compact = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** Undefined where the text is no JWT in compact form (RFC 7519, signed). */
export function readUnverified(token: string): UnverifiedClaims | undefined {
  if (token.length > longestToken || !compact.test(token)) return undefined
  const [head = '', body = ''] = token.split('.')
  const [header, claims] = [readObject(head), readObject(body)]
  if (header === undefined || claims === undefined || typeof header['alg'] !== 'string') return undefined
  const { iss, aud, exp } = claims
  return {
    iss: typeof iss === 'string' ? iss : undefined,
    aud: (Array.isArray(aud) ? aud : [aud]).filter((each) => typeof each === 'string'),
    exp: typeof exp === 'number' && Number.isFinite(exp) ? exp * 1000 : undefined,
    kid: typeof header['kid'] === 'string' ? header['kid'] : undefined,
  }
}

function readObject(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

import { fieldsIn, textIn, textsIn, timeIn, wrong } from './token-fields.ts'

/**
 * Unverified claims of a JWT: they choose its verifier and the wording of a refusal, and must never be
 * trusted.
 */
export interface UnverifiedClaims {
  readonly iss: string | undefined
  readonly aud: readonly string[]
  /** Milliseconds since the epoch. */
  readonly exp: number | undefined
  readonly kid: string | undefined
}

/** Characters: longer tokens do not fit into the headers of a request. */
export const longestToken = 16 * 1024

const longest = { alg: 32, kid: 512, name: 2048 }
const mostAudiences = 64
const compact = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/**
 * Undefined: the text is no JWT in compact form (RFC 7519, signed), or a member of its header (RFC 7515, 4.1)
 * or claims has a wrong type or size. Every foreign token passes this check before other code reads it.
 */
export function readUnverified(token: string): UnverifiedClaims | undefined {
  if (token.length > longestToken || !compact.test(token)) return undefined
  const [head = '', body = ''] = token.split('.')
  const [header, claims] = [fieldsIn(head), fieldsIn(body)]
  if (header === undefined || claims === undefined) return undefined
  const alg = textIn(header, 'alg', longest.alg)
  const kid = textIn(header, 'kid', longest.kid)
  const typ = textIn(header, 'typ', longest.alg)
  const iss = textIn(claims, 'iss', longest.name)
  const sub = textIn(claims, 'sub', longest.name)
  const jti = textIn(claims, 'jti', longest.name)
  const aud = textsIn(claims, 'aud', { longest: longest.name, most: mostAudiences })
  const times = ['exp', 'nbf', 'iat'].map((name) => timeIn(claims, name))
  if (alg === undefined || alg === wrong || kid === wrong || typ === wrong || iss === wrong) return undefined
  if (sub === wrong || jti === wrong || aud === wrong) return undefined
  const exp = times[0]
  if (exp === wrong || times.includes(wrong)) return undefined
  return { iss, aud: aud ?? [], exp, kid }
}

/** Whether the token has the form of a JWT, whatever it holds: no other form begins so. */
export function looksLikeJwt(token: string): boolean {
  return token.startsWith('eyJ')
}

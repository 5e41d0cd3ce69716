import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** Registered claims (RFC 7519); a claim of another type counts as absent. */
const claimsSchema = z.object({
  exp: z.number().optional().catch(undefined),
  aud: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .catch(undefined),
  sub: z.string().optional().catch(undefined),
})

/** The claims of a JSON web token. Its signature has not been verified. */
export interface JwtClaims {
  /** When the token expires, in milliseconds since the epoch. */
  readonly until: number | undefined
  readonly audiences: readonly string[]
  readonly subject: string | undefined
}

/** Returns `undefined` for a token that is not a JWT, such as a static token or that of `aws eks get-token`. */
export function readClaims(token: string): JwtClaims | undefined {
  const parts = token.split('.')
  if (parts.length !== 3) return undefined
  const claims = tryForeignJson(Buffer.from(parts[1] ?? '', 'base64url'), claimsSchema)
  if (claims === undefined) return undefined
  const { exp, aud = [], sub } = claims
  return {
    until: exp === undefined ? undefined : exp * 1000,
    audiences: typeof aud === 'string' ? [aud] : aud,
    subject: sub,
  }
}

import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'

/** RFC 7519, registered claims; one of another type counts as absent. */
const claimsSchema = z.object({
  exp: z.number().optional().catch(undefined),
  aud: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .catch(undefined),
  sub: z.string().optional().catch(undefined),
})

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
  const claims = tryForeignJson(Buffer.from(parts[1] ?? '', 'base64url'), claimsSchema)
  if (claims === undefined) return undefined
  const { exp, aud = [], sub } = claims
  return {
    until: exp === undefined ? undefined : exp * 1000,
    audiences: typeof aud === 'string' ? [aud] : aud,
    subject: sub,
  }
}

import { z } from 'zod'

const text = z.string().max(8192)

/** A JWK Set of public keys (RFC 7517, 5). Other members of a key are dropped. */
export const jwkSetSchema = z.object({
  keys: z
    .array(
      z.object({
        kty: z.string().max(32),
        kid: z.string().max(512).exactOptional(),
        alg: z.string().max(32).exactOptional(),
        use: z.string().max(32).exactOptional(),
        key_ops: z.array(z.string().max(32)).max(16).exactOptional(),
        crv: z.string().max(32).exactOptional(),
        n: text.exactOptional(),
        e: text.exactOptional(),
        x: text.exactOptional(),
        y: text.exactOptional(),
      }),
    )
    .max(200),
})

/** OpenID Connect Discovery 1.0, 3: the members that trow uses. */
export const discoverySchema = z.object({ issuer: z.string().max(2048), jwks_uri: z.url().max(2048) })

import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'
import type { NodeOrigin } from './node-origin.ts'

const longestToken = 16 * 1024

/** The claims that the API server adds to tokens of pods (KEP-4193). */
const tokenSchema = z.object({
  'kubernetes.io': z.object({
    namespace: z.string(),
    serviceaccount: z.object({ name: z.string(), uid: z.string() }),
    node: z.object({ uid: z.string() }).optional(),
  }),
})

/** The origin that a certificate issued to this pod token would hold. Empty if the token does not say. */
export function originOfToken(token: string): NodeOrigin {
  const parsed = tryForeignJson(claimsOf(token), tokenSchema)?.['kubernetes.io']
  if (parsed === undefined) return {}
  const { namespace, serviceaccount, node } = parsed
  return { ...(node === undefined ? {} : { uid: node.uid }), account: { namespace, ...serviceaccount } }
}

function claimsOf(token: string): Uint8Array | undefined {
  const [, claims, signature] = token.length > longestToken ? [] : token.split('.')
  return claims === undefined || signature === undefined ? undefined : Buffer.from(claims, 'base64url')
}

import { z } from 'zod'
import { tryForeignJson } from '../foreign-json.ts'
import type { NodeOrigin } from './node-origin.ts'

const longestToken = 16 * 1024

/** KEP-4193: what the API server writes into tokens of pods. */
const tokenSchema = z.object({
  'kubernetes.io': z.object({
    namespace: z.string(),
    serviceaccount: z.object({ name: z.string(), uid: z.string() }),
    node: z.object({ uid: z.string() }).optional(),
  }),
})

/** What a certificate would say that is issued to this token of a pod. Empty where the token does not tell. */
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

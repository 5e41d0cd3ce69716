import { z } from 'zod'

/** What a node's certificate of trow's own CA was issued for: it is refused once either is gone, or is another one. */
export interface NodeOrigin {
  /** Of the Node. */
  readonly uid?: string
  /** The agent's service account, to which it was issued. */
  readonly account?: { readonly namespace: string; readonly name: string; readonly uid: string }
}

const nodeUri = /^urn:trow:node:([A-Za-z0-9-]{1,64})$/
const accountUri = /^urn:trow:account:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253}):([A-Za-z0-9-]{1,64})$/
const longestToken = 16 * 1024

/** KEP-4193: what the API server writes into tokens of pods. */
const tokenSchema = z.object({
  'kubernetes.io': z.object({
    namespace: z.string(),
    serviceaccount: z.object({ name: z.string(), uid: z.string() }),
    node: z.object({ uid: z.string() }).optional(),
  }),
})

/** The URIs (RFC 8141) that say it in a certificate's subjectAltName. */
export function urisOf({ uid, account }: NodeOrigin): string[] {
  return [
    ...(uid === undefined ? [] : [`urn:trow:node:${uid}`]),
    ...(account === undefined
      ? []
      : [`urn:trow:account:${account.namespace}:${account.name}:${account.uid}`]),
  ]
}

export function originIn(uris: readonly string[]): NodeOrigin {
  let origin: NodeOrigin = {}
  for (const uri of uris) {
    const node = nodeUri.exec(uri)
    if (node?.[1] !== undefined) origin = { ...origin, uid: node[1] }
    const [, namespace, name, uid] = accountUri.exec(uri) ?? []
    if (namespace !== undefined && name !== undefined && uid !== undefined)
      origin = { ...origin, account: { namespace, name, uid } }
  }
  return origin
}

/** What a certificate would say that is issued to this token of a pod. Empty where the token does not tell. */
export function originOfToken(token: string): NodeOrigin {
  const parsed = tokenSchema.safeParse(claimsOf(token)).data?.['kubernetes.io']
  if (parsed === undefined) return {}
  const { namespace, serviceaccount, node } = parsed
  return { ...(node === undefined ? {} : { uid: node.uid }), account: { namespace, ...serviceaccount } }
}

function claimsOf(token: string): unknown {
  const [, claims, signature] = token.length > longestToken ? [] : token.split('.')
  if (claims === undefined || signature === undefined) return undefined
  try {
    return JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}

/**
 * The Node and the account that a node certificate was issued for; it is refused once either is deleted or recreated.
 */
export interface NodeOrigin {
  /** uid of the Node. */
  readonly uid?: string
  /** The agent's service account that requested the certificate. */
  readonly account?: { readonly namespace: string; readonly name: string; readonly uid: string }
}

const nodeUri = /^urn:trow:node:([A-Za-z0-9-]{1,64})$/
const accountUri = /^urn:trow:account:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253}):([A-Za-z0-9-]{1,64})$/

/** The URIs (RFC 8141) in a certificate's subjectAltName that hold the origin. */
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

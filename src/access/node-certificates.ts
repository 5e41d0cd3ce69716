import type { Principal } from './principal.ts'

/** What a node's agent may have of trow's own CA where the kubelet has no client certificate of the cluster's. */
export interface NodeCertificates {
  /** `request`: PKCS #10, PEM. Only its key counts: the name is the node's. */
  issue(node: string, request: string): Promise<NodeCertificate>
}

export type NodeCertificate =
  | { readonly ok: true; /** PEM, leaf first. */ readonly chain: string }
  | { readonly ok: false; readonly reason: string }

const nodeName = 'authentication.kubernetes.io/node-name'
const accountName = /^system:serviceaccount:([^:]+:[^:]+)$/

/**
 * The node that a token is bound to (KEP-4193), where it is one of an agent's. `agents`: service accounts as
 * `NAMESPACE:NAME`. Undefined: it vouches for no node.
 */
export function nodeOf(principal: Principal, agents: readonly string[]): string | undefined {
  const account = accountName.exec(principal.name)?.[1]
  if (principal.kind !== 'kubernetes' || account === undefined || !agents.includes(account)) return undefined
  const names = principal.extra?.[nodeName] ?? []
  return names.length === 1 ? names[0] : undefined
}

import type { NodeOrigin } from '../cluster/node-origin.ts'
import type { Principal } from './principal.ts'

/**
 * Issues certificates of trow's own CA to node agents, for nodes whose kubelet has no client certificate of
 * the cluster's CA.
 */
export interface NodeCertificates {
  /** `request`: PKCS #10, PEM. Only its public key is used; the subject is the node's name. */
  issue(node: NodeTarget, request: string): Promise<NodeCertificate>
}

/** The node that a certificate is issued for, and the objects that must still exist for it to be accepted. */
export interface NodeTarget extends NodeOrigin {
  readonly name: string
}

export type NodeCertificate =
  | { readonly ok: true; /** PEM, leaf first. */ readonly chain: string }
  | { readonly ok: false; readonly reason: string }

const nodeName = 'authentication.kubernetes.io/node-name'
const nodeUid = 'authentication.kubernetes.io/node-uid'
const accountName = /^system:serviceaccount:(([^:]+):([^:]+))$/

/**
 * The node that an agent's token is bound to (KEP-4193). `agents`: service accounts as `NAMESPACE:NAME`.
 * Undefined: it is no agent's token, or not bound to one node.
 */
export function nodeOf(principal: Principal, agents: readonly string[]): NodeTarget | undefined {
  const [, agent, namespace, name] = accountName.exec(principal.name) ?? []
  if (principal.kind !== 'kubernetes' || agent === undefined || !agents.includes(agent)) return undefined
  const [node, ...others] = principal.extra?.[nodeName] ?? []
  if (node === undefined || others.length > 0) return undefined
  const uid = principal.extra?.[nodeUid]?.[0]
  return {
    name: node,
    ...(uid === undefined ? {} : { uid }),
    ...(namespace === undefined || name === undefined || principal.uid === undefined
      ? {}
      : { account: { namespace, name, uid: principal.uid } }),
  }
}

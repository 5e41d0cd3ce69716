import type { NodeOrigin } from '../cluster/node-origin.ts'
import type { Principal } from './principal.ts'

/** What a node's agent may have of trow's own CA where the kubelet has no client certificate of the cluster's. */
export interface NodeCertificates {
  /** `request`: PKCS #10, PEM. Only its key counts: the name is the node's. */
  issue(node: NodeTarget, request: string): Promise<NodeCertificate>
}

/** The node that a certificate is for, and what it falls with. */
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
 * The node that a token is bound to (KEP-4193), where it is one of an agent's. `agents`: service accounts as
 * `NAMESPACE:NAME`. Undefined: it vouches for no node.
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

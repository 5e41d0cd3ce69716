import { originIn } from '../cluster/node-origin.ts'
import type { ClientCertificate } from './credential.ts'
import type { Principal } from './principal.ts'
import { sourceProblem } from './source-names.ts'

export type CertificateVerdict =
  { readonly ok: true; readonly principal: Principal } | { readonly ok: false; readonly reason: string }

export const nodePrefix = 'system:node:'
const nodes = 'system:nodes'

/**
 * Who a certificate that TLS has verified stands for. The cluster's CA: the user is the CN, the groups are the Os, as
 * the API server reads them. Ours: the one node of the CN, and nobody else, whatever else it may say.
 */
export function certificatePrincipal(certificate: ClientCertificate): CertificateVerdict {
  const { commonName, organizations, serial, issuer, validTo, uris = [] } = certificate
  const isNode = commonName.startsWith(nodePrefix) && commonName.length > nodePrefix.length
  if (issuer === 'trow' && !(isNode && organizations.length === 1 && organizations[0] === nodes))
    return { ok: false, reason: "the certificate is of this registry's own CA, which vouches for nodes only" }
  const principal: Principal = {
    kind: isNode && organizations.includes(nodes) ? 'node-certificate' : 'certificate',
    name: commonName,
    // What the API server adds for everybody that it knows.
    groups: [...new Set([...organizations, 'system:authenticated'])],
    reviewable: true,
    credentialId: serial,
    ...(validTo === undefined ? {} : { expiresAt: validTo }),
    ...(issuer === 'trow' ? { node: originIn(uris) } : {}),
  }
  const problem = sourceProblem(principal)
  return problem === undefined ? { ok: true, principal } : { ok: false, reason: problem }
}

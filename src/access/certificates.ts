import { originIn } from '../cluster/node-origin.ts'
import type { ClientCertificate } from './credential.ts'
import type { Principal } from './principal.ts'
import { sourceProblem } from './source-names.ts'

export type CertificateVerdict =
  { readonly ok: true; readonly principal: Principal } | { readonly ok: false; readonly reason: string }

export const nodePrefix = 'system:node:'
const nodes = 'system:nodes'

/**
 * The principal of a client certificate that TLS has verified. Of the cluster's CA: the CN is the user and
 * the Os are the groups, as for the API server. Of trow's own CA: only the node of the CN, whatever else the
 * certificate contains.
 */
export function certificatePrincipal(certificate: ClientCertificate): CertificateVerdict {
  const { commonName, organizations, serial, issuer, validTo, uris = [] } = certificate
  const isNode = commonName.startsWith(nodePrefix) && commonName.length > nodePrefix.length
  if (issuer === 'trow' && !(isNode && organizations.length === 1 && organizations[0] === nodes))
    return { ok: false, reason: "the certificate is of this registry's own CA, which vouches for nodes only" }
  const principal: Principal = {
    kind: isNode && organizations.includes(nodes) ? 'node-certificate' : 'certificate',
    name: commonName,
    // The API server adds this group to every authenticated user.
    groups: [...new Set([...organizations, 'system:authenticated'])],
    reviewable: true,
    credentialId: serial,
    ...(validTo === undefined ? {} : { expiresAt: validTo }),
    ...(issuer === 'trow' ? { node: originIn(uris) } : {}),
  }
  const problem = sourceProblem(principal)
  return problem === undefined ? { ok: true, principal } : { ok: false, reason: problem }
}

import type { ClientCertificate } from './credential.ts'
import type { Principal } from './principal.ts'

const node = /^system:node:[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/

/**
 * Who a verified client certificate stands for: with the cluster's CA as Kubernetes reads it (CN is the user, each O a
 * group), with trow's own CA a node and nothing else. Undefined: nobody.
 */
export function certificatePrincipal(certificate: ClientCertificate): Principal | undefined {
  const { commonName, organizations, serial, issuer } = certificate
  if (issuer === 'trow') {
    if (!node.test(commonName)) return undefined
    return {
      kind: 'node-certificate',
      name: commonName,
      groups: ['system:nodes', 'system:authenticated'],
      reviewable: true,
      credentialId: `trow-ca:${serial}`,
    }
  }
  if (commonName === 'system:anonymous') return undefined
  return {
    kind: 'certificate',
    name: commonName,
    groups: [...organizations.filter((group) => group !== 'system:unauthenticated'), 'system:authenticated'],
    reviewable: true,
    credentialId: `cluster-ca:${serial}`,
  }
}

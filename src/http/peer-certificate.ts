import { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket, type DetailedPeerCertificate } from 'node:tls'
import type { ClientCertificate } from '../access/credential.ts'
import { certificatesInPem } from '../pem-bundle.ts'

/** CAs whose client certificates are accepted: PEM bundles. */
export interface ClientAuthorities {
  /** The cluster's client CA: kubelets and people. */
  readonly cluster: readonly string[]
  /** trow's own: nodes only. */
  readonly trow: readonly string[]
}

/** The accepted CAs by SHA-256 fingerprint: the CA that ends a chain shows which bundle accepted it. */
export class KnownAuthorities {
  readonly #issuers = new Map<string, ClientCertificate['issuer']>()

  constructor(authorities: ClientAuthorities) {
    for (const issuer of ['trow', 'cluster'] as const) {
      for (const pem of authorities[issuer].flatMap(certificatesInPem)) {
        this.#issuers.set(new X509Certificate(pem).fingerprint256, issuer)
      }
    }
  }

  /**
   * The client certificate that TLS has verified. Undefined: the client sent none, or one that TLS did not
   * accept.
   */
  certificateOf(socket: Socket): ClientCertificate | undefined {
    if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
    const peer = socket.getPeerCertificate(true)
    const issuer = this.#issuerOf(peer)
    const { CN: commonName, O: organizations } = (peer.subject ?? {}) as {
      CN?: string | string[]
      O?: string | string[]
    }
    // A subject without exactly one common name identifies no caller.
    if (issuer === undefined || typeof commonName !== 'string' || commonName === '') return undefined
    return {
      commonName,
      organizations: [organizations ?? []].flat(),
      serial: peer.serialNumber,
      issuer,
      validTo: Date.parse(peer.valid_to),
      uris: urisIn(peer.subjectaltname),
    }
  }

  #issuerOf(peer: DetailedPeerCertificate): ClientCertificate['issuer'] | undefined {
    let certificate = peer
    // Chains are short; a root names itself as its issuer.
    for (let depth = 0; depth < 8; depth++) {
      const next = certificate.issuerCertificate as DetailedPeerCertificate | undefined
      if (next === undefined) return undefined
      const issuer = this.#issuers.get(next.fingerprint256)
      if (issuer !== undefined) return certificate === next ? undefined : issuer
      if (next === certificate) return undefined
      certificate = next
    }
    return undefined
  }
}

/**
 * The URIs in Node's text of a subjectAltName, `URI:…, DNS:…`. Node quotes a name that contains a separator.
 */
function urisIn(names: string | undefined): string[] {
  if (names === undefined) return []
  return names.split(', ').flatMap((name) => (name.startsWith('URI:') ? [name.slice('URI:'.length)] : []))
}

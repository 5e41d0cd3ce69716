import { constants, X509Certificate } from 'node:crypto'
import type https from 'node:https'
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext } from 'node:tls'
import type { ClientAuthorities } from './peer-certificate.ts'

export interface TlsPair {
  /** PEM, leaf first. */
  readonly cert: string
  readonly key: string
  /** Whose client certificates are accepted: asked for, never required. Undefined: none is asked for. */
  readonly clientAuthorities?: ClientAuthorities | undefined
  /** Shown instead to a client that asks (SNI, RFC 6066, 3) for a name that it holds. */
  readonly named?: { readonly cert: string; readonly key: string } | undefined
}

/** OpenSSL's level of 112 bits, for clients' chains too: RSA of 2,048 bits, no SHA-1; whatever a machine's default is. */
const ciphers = `${DEFAULT_CIPHERS}:@SECLEVEL=2`

export function secureContext({ cert, key, clientAuthorities }: TlsPair): https.ServerOptions {
  const options: https.ServerOptions = {
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    ciphers,
    cert,
    key,
  }
  if (clientAuthorities === undefined) return options
  return {
    ...options,
    ca: [...clientAuthorities.cluster, ...clientAuthorities.trow],
    // A resumed session would carry an identity that was verified against CAs of the past.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

/** Asked for with the list of CAs, never required: who shows none is somebody else, or anonymous. */
export function clientCertificates({ clientAuthorities }: TlsPair): https.ServerOptions {
  return clientAuthorities === undefined ? {} : { requestCert: true, rejectUnauthorized: false }
}

/** Which certificate a name that a client asks for gets; undefined: the one that everybody gets. */
export class NamedContext {
  #named: { readonly certificate: X509Certificate; readonly context: SecureContext } | undefined

  constructor(pair: TlsPair | undefined) {
    this.set(pair)
  }

  set(pair: TlsPair | undefined): void {
    this.#named = pair?.named && {
      certificate: new X509Certificate(pair.named.cert),
      context: createSecureContext(secureContext({ ...pair, ...pair.named })),
    }
  }

  for(serverName: string): SecureContext | undefined {
    return this.#named?.certificate.checkHost(serverName) === undefined ? undefined : this.#named.context
  }
}

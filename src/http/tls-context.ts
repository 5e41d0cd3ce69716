import { constants, X509Certificate } from 'node:crypto'
import type https from 'node:https'
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext } from 'node:tls'
import type { ClientAuthorities } from './peer-certificate.ts'

export interface TlsPair {
  /** PEM, leaf first. */
  readonly cert: string
  readonly key: string
  /**
   * The CAs whose client certificates are accepted: requested, never required. Undefined: none is requested.
   */
  readonly clientAuthorities?: ClientAuthorities | undefined
  /** Sent instead to a client whose SNI (RFC 6066, 3) is one of its names. */
  readonly named?: { readonly cert: string; readonly key: string } | undefined
}

/**
 * OpenSSL's security level of 112 bits whatever the machine's default is, also for clients' chains: RSA of at
 * least 2,048 bits, no SHA-1.
 */
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
    // A resumed session would keep an identity that was verified against former CAs.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
}

/**
 * Requested with the list of CAs, never required: a client without a certificate uses another credential or
 * is anonymous.
 */
export function clientCertificates({ clientAuthorities }: TlsPair): https.ServerOptions {
  return clientAuthorities === undefined ? {} : { requestCert: true, rejectUnauthorized: false }
}

/** Selects the certificate for an SNI name. Undefined: the default certificate. */
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

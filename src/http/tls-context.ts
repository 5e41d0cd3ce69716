import { constants } from 'node:crypto'
import type https from 'node:https'
import type { ClientAuthorities } from './peer-certificate.ts'

export interface TlsPair {
  /** PEM, leaf first. */
  readonly cert: string
  readonly key: string
  /** Whose client certificates are accepted: asked for, never required. Undefined: none is asked for. */
  readonly clientAuthorities?: ClientAuthorities | undefined
}

export function secureContext({ cert, key, clientAuthorities }: TlsPair): https.ServerOptions {
  const options: https.ServerOptions = { minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'], cert, key }
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

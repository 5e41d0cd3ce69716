import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import type { OciError } from '../oci/oci-error.ts'
import { refuseConnection } from './refuse-connection.ts'
import { unknownExpectation } from './refusals.ts'
import { clientCertificates, secureContext, type NamedContext, type TlsPair } from './tls-context.ts'

const headerBytes = 64 * 1024

export interface HttpServerOptions {
  /** Undefined: HTTP without TLS. */
  readonly tls: TlsPair | undefined
  /** Certificates by the name that a client asks for. */
  readonly named: NamedContext
  /** Milliseconds. */
  readonly idleTimeout: number
  /** `refusal`: what the request is to be answered with, whatever it asks for. */
  handle(message: IncomingMessage, response: ServerResponse, refusal?: OciError): void
}

/** Node's server with our limits: headers of 64 KiB, no limit on the time of a transfer that moves, half-open clients. */
export function createHttpServer(options: HttpServerOptions): http.Server | https.Server {
  const { tls, named, idleTimeout, handle } = options
  const common: http.ServerOptions = {
    maxHeaderSize: headerBytes,
    // Totals are not limited: a slow push of 50 GB is fine. Idle connections are.
    requestTimeout: 0,
    headersTimeout: Math.min(60_000, idleTimeout),
    connectionsCheckingInterval: Math.min(5_000, idleTimeout),
    // Ours, below: Node's would set a timer anew with every request.
    keepAliveTimeout: 0,
    insecureHTTPParser: false,
    // Node's own refusal has no body: `hostMissing` says it.
    requireHostHeader: false,
    noDelay: true,
  }
  const server =
    tls === undefined
      ? http.createServer(common)
      : https.createServer({
          ...common,
          ...secureContext(tls),
          ...clientCertificates(tls),
          SNICallback: (name, use) => use(null, named.for(name)),
        })
  server.timeout = idleTimeout
  // A client that has said all it wants to say still gets the whole of its reply (Node's types do not know it).
  Object.assign(server, { httpAllowHalfOpen: true })
  // Bounded by their bytes; Node would drop the rest silently.
  server.maxHeadersCount = 0
  server.on('request', (message, response) => handle(message, response))
  server.on('checkContinue', (message, response) => handle(message, response))
  server.on('checkExpectation', (message, response) => handle(message, response, unknownExpectation()))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => refuseConnection(error, socket))
  return server
}

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
  /** Certificates by the SNI name of the client. */
  readonly named: NamedContext
  /** Milliseconds. */
  readonly idleTimeout: number
  /** `refusal`: the error that answers the request, whatever it asks for. */
  handle(message: IncomingMessage, response: ServerResponse, refusal?: OciError): void
}

/**
 * Node's server with trow's limits: headers of 64 KiB, no time limit while a transfer moves, half-open
 * clients.
 */
export function createHttpServer(options: HttpServerOptions): http.Server | https.Server {
  const { tls, named, idleTimeout, handle } = options
  const common: http.ServerOptions = {
    maxHeaderSize: headerBytes,
    // Total time is not limited, idle time is: a slow push of 50 GB is legal.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(5_000, idleTimeout),
    // `server.timeout` below takes its place: Node would set a new timer for every request.
    keepAliveTimeout: 0,
    insecureHTTPParser: false,
    // Node's own refusal has no body; `hostMissing` answers instead.
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
  limitIdleTime(server, idleTimeout)
  // A client that has closed its sending side still receives its whole reply (Node's types lack this option).
  Object.assign(server, { httpAllowHalfOpen: true })
  // The number of headers is bounded by their bytes; above a limit of its own Node drops headers silently.
  server.maxHeadersCount = 0
  server.on('request', (message, response) => handle(message, response))
  server.on('checkContinue', (message, response) => handle(message, response))
  server.on('checkExpectation', (message, response) => handle(message, response, unknownExpectation()))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => refuseConnection(error, socket))
  return server
}

/** Applies to connections that are opened from now on, and to headers that arrive. `idleTimeout`: milliseconds. */
export function limitIdleTime(server: http.Server | https.Server, idleTimeout: number): void {
  server.timeout = idleTimeout
  server.headersTimeout = Math.min(60_000, idleTimeout)
}

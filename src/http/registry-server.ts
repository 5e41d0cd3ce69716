import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Log } from '../log.ts'
import { OciError } from '../oci/oci-error.ts'
import type { Registry } from '../registry/registry.ts'
import type { AuditSource } from '../audit/audit-request.ts'
import { accessLine, type AccessRecord } from './access-log.ts'
import { auditRoutes } from './audit-routes.ts'
import { Connections } from './connections.ts'
import { blobRoutes } from './blob-routes.ts'
import type { TrustedProxies } from './client-address.ts'
import { Gate, type GateOptions } from './gate.ts'
import { createHttpServer } from './http-server.ts'
import { healthRoutes, type HealthChecks } from './health-routes.ts'
import { baseRoutes, listingRoutes } from './listing-routes.ts'
import { misunderstood, type KnownHosts } from './known-hosts.ts'
import { nodeCertificateRoutes } from './node-certificate-routes.ts'
import { manifestRoutes } from './manifest-routes.ts'
import type { BodyPlaces } from './read-whole.ts'
import { goingAway, hostMissing, noSuchPath, notAllowed, refusalReply } from './refusals.ts'
import { RegistryRequest } from './registry-request.ts'
import { ReplyBodies } from './reply-bodies.ts'
import { errorReply, writeReply } from './reply-writer.ts'
import type { Reply } from './reply.ts'
import { RequestCounters, type RequestCount } from './request-counters.ts'
import { pathValues, Router, type Endpoint, type PathMatch } from './router.ts'
import type { Route } from './route.ts'
import { NamedContext, secureContext, type TlsPair } from './tls-context.ts'
import { tokenRoutes } from './token-routes.ts'
import { settleBody } from './unread-body.ts'
import { uploadRoutes } from './upload-routes.ts'

export interface RegistryServerOptions {
  readonly registry: Registry
  readonly log: Log
  readonly bodies: BodyPlaces
  readonly health: HealthChecks
  readonly gate: GateOptions
  /** Undefined: nothing is audited. */
  readonly audit: AuditSource | undefined
  readonly proxies: TrustedProxies
  readonly hosts: KnownHosts | undefined
  /** A request whose connection moves no byte for so long is ended; milliseconds. */
  readonly idleTimeout: number
  /** Undefined: HTTP without TLS. */
  readonly tls: TlsPair | undefined
  /** One line a request; undefined: no access log. */
  readonly accessLog: { readonly format: 'json' | 'text'; write(line: string): void } | undefined
  /** Unique among all workers; makes request ids. */
  readonly idPrefix: string
  readonly now: () => number
}

export interface RegistryServer {
  listen(options: {
    readonly host: string
    readonly port: number
    readonly reusePort: boolean
  }): Promise<AddressInfo>
  /** For new connections from now on; open ones go on. Throws where the pair does not match. */
  setTls(pair: TlsPair): void
  /**
   * From now on what begins a push is refused with 503; pulls and the uploads that are open go on. Resolves when
   * the requests that run now are done.
   */
  windDown(): Promise<void>
  /** Listens no more; requests have `limit` ms to end. When it resolves no connection is open. */
  close(limit: number): Promise<void>
  counts(): { readonly inFlight: number; readonly requests: readonly RequestCount[] }
}

/** The registry on HTTP/1.1. */
export function createRegistryServer(options: RegistryServerOptions): RegistryServer {
  return new HttpRegistry(options)
}

class HttpRegistry implements RegistryServer {
  readonly #options: RegistryServerOptions
  readonly #router: Router
  readonly #counters = new RequestCounters()
  readonly #server: Server | https.Server
  readonly #connections: Connections
  readonly #gate: Gate
  readonly #named: NamedContext
  readonly #replies: ReplyBodies
  #tls: TlsPair | undefined
  #draining = false
  readonly #stopping = new AbortController()
  /** Requests that began before the last `windDown`, or since. */
  #transfers: { count: number; done?: () => void } = { count: 0 }
  #lastId = 0

  constructor(options: RegistryServerOptions) {
    this.#options = options
    this.#tls = options.tls
    this.#named = new NamedContext(options.tls)
    const { registry, bodies, health } = options
    this.#router = new Router([
      ...baseRoutes(),
      ...manifestRoutes(registry, bodies.callers),
      ...blobRoutes(registry),
      ...uploadRoutes(registry),
      ...listingRoutes(registry),
      ...healthRoutes(health),
      ...tokenRoutes(options.gate, bodies.strangers),
      ...nodeCertificateRoutes(options.gate, bodies.callers),
      ...auditRoutes(options.audit, this.#stopping.signal, options.now),
    ])
    this.#gate = new Gate(options.gate)
    this.#replies = new ReplyBodies(bodies.replies)
    this.#server = createHttpServer({
      tls: options.tls,
      named: this.#named,
      idleTimeout: options.idleTimeout,
      handle: (message, response, refusal) =>
        void this.#handle(message, response, refusal ?? misunderstood(message, options.hosts)),
    })
    this.#connections = new Connections(
      this.#server,
      options.idleTimeout,
      options.gate.access && options.tls?.clientAuthorities,
    )
    // Node calls it in `close`.
    this.#server.closeIdleConnections = () => this.#connections.closeIdle()
  }

  listen(options: {
    readonly host: string
    readonly port: number
    readonly reusePort: boolean
  }): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ ...options, backlog: 4096 }, () => {
        this.#server.off('error', reject)
        resolve(this.#server.address() as AddressInfo)
      })
    })
  }

  setTls(pair: TlsPair): void {
    if (!(this.#server instanceof https.Server)) return
    const changed = JSON.stringify(pair.clientAuthorities) !== JSON.stringify(this.#tls?.clientAuthorities)
    this.#tls = pair
    this.#server.setSecureContext(secureContext(pair))
    this.#named.set(pair)
    if (changed) this.#connections.setAuthorities(pair.clientAuthorities)
  }

  async windDown(): Promise<void> {
    this.#draining = true
    this.#stopping.abort()
    const running = this.#transfers
    this.#transfers = { count: 0 }
    if (running.count > 0) await new Promise<void>((resolve) => (running.done = resolve))
  }

  async close(limit: number): Promise<void> {
    this.#draining = true
    this.#stopping.abort()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#connections.closeIdle()
    // A connection becomes idle when its reply is done, and its client may keep it for minutes.
    const idle = setInterval(() => this.#connections.closeIdle(), 100)
    const late = setTimeout(() => this.#server.closeAllConnections(), limit)
    await closed
    clearInterval(idle)
    clearTimeout(late)
    this.#connections.destroyAll()
  }

  counts(): { readonly inFlight: number; readonly requests: readonly RequestCount[] } {
    return { inFlight: this.#counters.inFlight, requests: this.#counters.snapshot() }
  }

  async #handle(message: IncomingMessage, response: ServerResponse, refusal?: OciError): Promise<void> {
    const started = performance.now()
    const { socket } = message
    const request = new RegistryRequest(message, response, {
      id: this.#requestId(message),
      certificate: this.#connections.certificateOf(socket),
      address: this.#options.proxies.addressOf(message),
    })
    this.#counters.inFlight++
    const transfers = this.#transfers
    transfers.count++
    this.#connections.begin(socket, request)
    const match = this.#router.find(request.path)
    const endpoint = match?.endpoint
    const route = endpoint?.methods.get(request.method)
    let sent = 0
    let status = 500
    try {
      const reply = await this.#answer(request, match, route, refusal)
      if (this.#draining || this.#connections.isOld(socket)) reply.headers.push('Connection', 'close')
      status = reply.status
      request.abandonBody()
      settleBody(message, response, reply)
      sent = await writeReply(response, request, reply)
    } catch (error) {
      this.#bug(error, request)
      response.destroy()
    } finally {
      this.#counters.inFlight--
      if (--transfers.count === 0) transfers.done?.()
      this.#connections.end(socket, request)
      const milliseconds = performance.now() - started
      this.#counters.record(endpoint?.path ?? 'none', request.method, status, {
        milliseconds,
        bytesIn: request.bytesIn,
        bytesOut: sent,
      })
      const { accessLog } = this.#options
      if (accessLog !== undefined) {
        const record = this.#record(message, request, { endpoint, route, status, sent, milliseconds })
        accessLog.write(accessLine(record, accessLog.format))
      }
    }
  }

  /** The one catch of the serving road. */
  async #answer(
    request: RegistryRequest,
    match: PathMatch | undefined,
    route: Route | undefined,
    refusal: OciError | undefined,
  ): Promise<Reply> {
    try {
      if (refusal !== undefined) throw refusal
      if (request.lacksHost) throw hostMissing()
      if (match === undefined) throw noSuchPath(request.path)
      if (route === undefined) throw notAllowed(request.method, match.endpoint.allow)
      if (this.#draining && beginsPush(match.endpoint, route, request.method)) throw goingAway()
      const values = pathValues(match, request.method)
      const admitted = this.#gate.admit(request, route, values)
      if (admitted !== undefined) await admitted
      let reply: Reply
      try {
        reply = await route.handler(request, values)
        if (ReplyBodies.isLarge(reply) && request.method === 'GET') {
          reply = await this.#replies.hold(reply, {
            owner: this.#options.bodies.replies.ownerOf(request.caller?.principal, request.shown.address),
            again: () => route.handler(request, values),
            cut: () => request.cut(),
          })
        }
      } catch (error) {
        // What was let in and then refused for another reason is an access too.
        reply = refusalReply(error, request, match.endpoint)
      }
      this.#gate.answered(request, route, values, reply)
      return reply
    } catch (error) {
      if (error instanceof OciError) return refusalReply(error, request, match?.endpoint)
      this.#bug(error, request)
      return errorReply(
        new OciError('UNKNOWN', 'the registry failed', {
          detail: `its log says more under request id ${request.id}`,
          cause: error,
        }),
      )
    }
  }

  #bug(error: unknown, request: RegistryRequest): void {
    const { method, path, id } = request
    const stack = error instanceof Error ? error.stack : String(error)
    this.#options.log.error('a request failed', { id, method, path, stack })
  }

  /** A client's own id when it is sane, so that logs of several systems can be joined. */
  #requestId(message: IncomingMessage): string {
    const given = message.headers['x-request-id']
    if (typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given)) return given
    return `${this.#options.idPrefix}-${(++this.#lastId).toString(36)}`
  }

  #record(
    message: IncomingMessage,
    request: RegistryRequest,
    done: {
      endpoint: Endpoint | undefined
      route: Route | undefined
      status: number
      sent: number
      milliseconds: number
    },
  ): AccessRecord {
    return {
      time: this.#options.now(),
      id: request.id,
      method: request.method,
      path: request.path,
      route: done.endpoint?.path ?? 'none',
      right: done.route?.right ?? 'none',
      status: done.status,
      bytesIn: request.bytesIn,
      bytesOut: done.sent,
      duration: done.milliseconds,
      user: request.caller?.principal.name ?? '',
      remote: request.shown.address,
      userAgent: message.headers['user-agent'] ?? '',
    }
  }
}

/** An upload that is open may end. */
function beginsPush(endpoint: Endpoint, route: Route, method: string): boolean {
  return (
    route.right === 'push' && method !== 'GET' && method !== 'HEAD' && !endpoint.path.endsWith('<upload>')
  )
}

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Log } from '../log.ts'
import { OciError } from '../oci/oci-error.ts'
import { stackOf } from '../reason-of.ts'
import { accessLine, accessRecord } from './access-log.ts'
import type { BodyBudget } from './body-budget.ts'
import type { TrustedProxies } from './client-address.ts'
import { Connections } from './connections.ts'
import { createHttpServer, limitIdleTime } from './http-server.ts'
import { misunderstood, type KnownHosts } from './known-hosts.ts'
import { clientGone, goingAway, hostMissing, noSuchPath, notAllowed } from './refusals.ts'
import { ServerRequest } from './server-request.ts'
import { ReplyBodies } from './reply-bodies.ts'
import { writeReply } from './reply-writer.ts'
import type { Reply } from './reply.ts'
import { ClientGone } from './request-body.ts'
import { RequestCounters, type RequestCount } from './request-counters.ts'
import { pathValues, type PathMatch } from './router.ts'
import type { Route } from './route.ts'
import type { Admission, Surface } from './surface.ts'
import { NamedContext, secureContext, type TlsPair } from './tls-context.ts'
import { settleBody } from './unread-body.ts'

export interface HttpListenerOptions {
  readonly surface: Surface
  readonly log: Log
  /**
   * Budget of the memory that large replies hold while they are sent. Undefined: this surface has no large
   * replies.
   */
  readonly replies: BodyBudget | undefined
  readonly proxies: TrustedProxies
  /** Undefined: any Host is accepted. */
  readonly hosts: KnownHosts | undefined
  /** Milliseconds after which a request is ended whose connection transfers no byte. */
  readonly idleTimeout: number
  /** Undefined: HTTP without TLS. */
  readonly tls: TlsPair | undefined
  /** Whether client certificates issued by the authorities of `tls` are read. */
  readonly certificates: boolean
  /** One line a request; undefined: no access log. */
  readonly accessLog: { readonly format: 'json' | 'text'; write(line: string): void } | undefined
  /** Prefix of request ids, unique among all listeners that share a log. */
  readonly idPrefix: string
  readonly now: () => number
}

export type ListenAddress =
  { readonly host: string; readonly port: number; readonly reusePort?: boolean } | { readonly path: string }

/**
 * Serves one surface over HTTP/1.1 on a TCP port or a Unix socket: TLS, connections, request ids, counters,
 * the access log, and a shutdown that lets running requests finish.
 */
export class HttpListener {
  readonly #options: HttpListenerOptions
  readonly #surface: Surface
  readonly #counters = new RequestCounters()
  readonly #server: Server | https.Server
  readonly #connections: Connections
  readonly #named: NamedContext
  readonly #replies: ReplyBodies | undefined
  #tls: TlsPair | undefined
  #draining = false
  /** Running requests that began after the last `windDown`. */
  #transfers: { count: number; done?: () => void } = { count: 0 }
  #lastId = 0

  constructor(options: HttpListenerOptions) {
    this.#options = options
    this.#surface = options.surface
    this.#tls = options.tls
    this.#named = new NamedContext(options.tls)
    this.#replies = options.replies && new ReplyBodies(options.replies)
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
      options.certificates ? options.tls?.clientAuthorities : undefined,
    )
    // Node's `close` calls this method.
    this.#server.closeIdleConnections = () => this.#connections.closeIdle()
  }

  /**
   * Resolves with the TCP address; undefined for a Unix socket. Rejects with Node's errors of `listen`
   * (EADDRINUSE, …).
   */
  listen(address: ListenAddress): Promise<AddressInfo | undefined> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ ...address, backlog: 4096 }, () => {
        this.#server.off('error', reject)
        const bound = this.#server.address()
        resolve(typeof bound === 'string' || bound === null ? undefined : bound)
      })
    })
  }

  /**
   * Applies to new connections. Open ones keep the old pair, unless the client authorities change: then they
   * are closed. Throws if key and certificate do not match.
   */
  setTls(pair: TlsPair): void {
    if (!(this.#server instanceof https.Server)) return
    const changed = JSON.stringify(pair.clientAuthorities) !== JSON.stringify(this.#tls?.clientAuthorities)
    this.#tls = pair
    this.#server.setSecureContext(secureContext(pair))
    this.#named.set(pair)
    if (changed) this.#connections.setAuthorities(pair.clientAuthorities)
  }

  /** Milliseconds. Applies to new connections, and to open ones from now on. */
  setIdleTimeout(idleTimeout: number): void {
    limitIdleTime(this.#server, idleTimeout)
    this.#connections.setIdleTimeout(idleTimeout)
  }

  /**
   * Refuses requests that begin long work with 503 from now on; all others are served. Resolves when the
   * requests that run now are done.
   */
  async windDown(): Promise<void> {
    this.#drain()
    const running = this.#transfers
    this.#transfers = { count: 0 }
    if (running.count > 0) await new Promise<void>((resolve) => (running.done = resolve))
  }

  /** Stops listening; running requests have `limit` ms to end. When it resolves, no connection is open. */
  async close(limit: number): Promise<void> {
    this.#drain()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#connections.closeIdle()
    // A connection becomes idle after its reply, and its client may keep it open for minutes.
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

  #drain(): void {
    this.#draining = true
    this.#surface.windDown?.()
  }

  async #handle(message: IncomingMessage, response: ServerResponse, refusal?: OciError): Promise<void> {
    const started = performance.now()
    const { socket } = message
    const request = new ServerRequest(message, response, {
      id: this.#requestId(message),
      certificate: this.#connections.certificateOf(socket),
      address: this.#options.proxies.addressOf(message),
    })
    this.#counters.inFlight++
    const transfers = this.#transfers
    transfers.count++
    this.#connections.begin(socket, request)
    const match = this.#surface.find(request.path)
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
      this.#surface.sign?.(reply.headers, request)
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
        const access = { request, endpoint, route, status, sent, milliseconds, time: this.#options.now() }
        accessLog.write(accessLine(accessRecord(access), accessLog.format))
      }
    }
  }

  /** The only place that turns errors of admission and handlers into replies. */
  async #answer(
    request: ServerRequest,
    match: PathMatch | undefined,
    route: Route | undefined,
    refusal: OciError | undefined,
  ): Promise<Reply> {
    const surface = this.#surface
    try {
      if (refusal !== undefined) throw refusal
      if (request.lacksHost) throw hostMissing()
      if (match === undefined) throw noSuchPath(request.path)
      const { endpoint } = match
      if (route === undefined) throw notAllowed(request.method, endpoint.allow)
      if (this.#draining && surface.beginsWork?.(endpoint, route, request.method) === true) throw goingAway()
      const admission: Admission = { request, endpoint, route, values: pathValues(match, request.method) }
      const admitted = surface.admit(admission)
      if (admitted !== undefined) await admitted
      let reply: Reply
      try {
        reply = await route.handler(request, admission.values)
        const held = this.#held(admission, reply)
        reply = held instanceof Promise ? await held : held
      } catch (error) {
        // A request that is refused after admission is audited as an access too.
        reply = surface.refuse(clientFault(error), request, endpoint)
      }
      surface.answered?.(admission, reply)
      return reply
    } catch (error) {
      if (error instanceof OciError) return surface.refuse(error, request, match?.endpoint)
      this.#bug(error, request)
      const bug = new OciError('UNKNOWN', 'the registry failed', {
        detail: `its log says more under request id ${request.id}`,
        cause: error,
      })
      return surface.refuse(bug, request, undefined)
    }
  }

  /** Keeps large replies within their memory budget. */
  #held({ request, route, values }: Admission, reply: Reply): Reply | Promise<Reply> {
    if (this.#replies === undefined || !ReplyBodies.isLarge(reply) || request.method !== 'GET') return reply
    return this.#replies.hold(reply, {
      owner: this.#replies.ownerOf(request),
      again: () => route.handler(request, values),
      cut: () => request.cut(),
    })
  }

  #bug(error: unknown, request: ServerRequest): void {
    const { method, path, id } = request
    this.#options.log.error('a request failed', { id, method, path, stack: stackOf(error) })
  }

  /** The client's X-Request-Id if it is well-formed, so that logs of several systems can be joined. */
  #requestId(message: IncomingMessage): string {
    const given = message.headers['x-request-id']
    if (typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given)) return given
    return `${this.#options.idPrefix}-${(++this.#lastId).toString(36)}`
  }
}

/** Rethrows what the client did not cause. */
function clientFault(error: unknown): OciError {
  if (error instanceof OciError) return error
  if (error instanceof ClientGone) return clientGone(error)
  throw error
}

import type http from 'node:http'
import type https from 'node:https'
import type { Socket } from 'node:net'
import type { ClientCertificate } from '../access/credential.ts'
import { KnownAuthorities, type ClientAuthorities } from './peer-certificate.ts'
import type { ServerRequest } from './server-request.ts'

/**
 * Milliseconds that an idle connection is kept: longer than the connection pools of Go clients keep theirs.
 */
const keepAlive = 125_000
/**
 * Milliseconds. The client certificate is read once per connection; connections are therefore closed after an
 * hour.
 */
const longestLife = 3_600_000

const facts = Symbol('what is known of a connection')

interface ConnectionFacts {
  readonly since: number
  certificate: ClientCertificate | undefined
  certificateRead: boolean
  running: ServerRequest | undefined
  /** Idle for longer than `idleTimeout`, now kept until `keepAlive`. */
  waiting: boolean
  /** Closed after the reply to the running request. */
  ending: boolean
}

interface Connection extends Socket {
  [facts]?: ConnectionFacts
}

/** The open connections of a server: their client certificates, idle times and ages. */
export class Connections {
  readonly #sockets = new Set<Connection>()
  #idleTimeout: number
  #authorities: KnownAuthorities | undefined

  constructor(
    server: http.Server | https.Server,
    idleTimeout: number,
    authorities: ClientAuthorities | undefined,
  ) {
    this.#idleTimeout = idleTimeout
    this.#authorities = authorities && new KnownAuthorities(authorities)
    server.on('connection', (socket: Connection) => this.#add(socket))
    server.on('secureConnection', (socket: Connection) => this.#add(socket))
    server.on('timeout', (socket: Connection) => this.#timedOut(socket))
  }

  begin(socket: Connection, request: ServerRequest): void {
    const known = this.#factsOf(socket)
    known.running = request
    if (known.waiting) {
      known.waiting = false
      socket.setTimeout(this.#idleTimeout)
    }
  }

  end(socket: Connection, request: ServerRequest): void {
    const known = this.#factsOf(socket)
    if (known.running === request) known.running = undefined
  }

  /** Whether the connection is to be closed after the current reply. */
  isOld(socket: Connection): boolean {
    const known = this.#factsOf(socket)
    return known.ending || (this.#authorities !== undefined && performance.now() - known.since > longestLife)
  }

  /** The client certificate is read once per connection. */
  certificateOf(socket: Connection): ClientCertificate | undefined {
    if (this.#authorities === undefined) return undefined
    const known = this.#factsOf(socket)
    if (!known.certificateRead) {
      known.certificate = this.#authorities.certificateOf(socket)
      known.certificateRead = true
    }
    return known.certificate
  }

  /**
   * Replaces the CAs. Connections with a certificate of the old CAs, and those not yet examined, are closed
   * at once or after their running reply.
   */
  setAuthorities(authorities: ClientAuthorities | undefined): void {
    this.#authorities = authorities && new KnownAuthorities(authorities)
    for (const socket of this.#sockets) {
      const known = this.#factsOf(socket)
      if (known.certificateRead && known.certificate === undefined) continue
      if (known.running === undefined) socket.destroySoon()
      else known.ending = true
    }
  }

  /** An open connection begins to be idle at the call. */
  setIdleTimeout(idleTimeout: number): void {
    if (idleTimeout === this.#idleTimeout) return
    this.#idleTimeout = idleTimeout
    for (const socket of this.#sockets) if (!this.#factsOf(socket).waiting) socket.setTimeout(idleTimeout)
  }

  /**
   * Closes the connections without a running request, each as soon as its last reply is sent. Node's own
   * `closeIdleConnections` also closes connections that still hold reply bytes in memory.
   */
  closeIdle(): void {
    for (const socket of this.#sockets) {
      // A connection that has sent no request yet may be about to send one: it stays open.
      const known = socket[facts]
      if (known !== undefined && known.running === undefined && socket.writableLength === 0)
        socket.destroySoon()
    }
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #add(socket: Connection): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #timedOut(socket: Connection): void {
    const known = this.#factsOf(socket)
    const { running } = known
    // Time that the client spends waiting for trow does not count as idle.
    if (running?.awaitsClient === false) socket.setTimeout(this.#idleTimeout)
    else if (running === undefined && !known.waiting && this.#idleTimeout < keepAlive) {
      known.waiting = true
      socket.setTimeout(keepAlive - this.#idleTimeout)
    } else socket.destroy()
  }

  #factsOf(socket: Connection): ConnectionFacts {
    return (socket[facts] ??= {
      since: performance.now(),
      certificate: undefined,
      certificateRead: false,
      running: undefined,
      waiting: false,
      ending: false,
    })
  }
}

import type http from 'node:http'
import type https from 'node:https'
import type { Socket } from 'node:net'
import type { ClientCertificate } from '../access/credential.ts'
import { KnownAuthorities, type ClientAuthorities } from './peer-certificate.ts'
import type { RegistryRequest } from './registry-request.ts'

/** A connection without a request stays so long: longer than the pools of Go clients keep theirs. */
const keepAlive = 125_000
/** Who somebody is was read once per connection, so none lasts for ever. */
const longestLife = 3_600_000

const facts = Symbol('what is known of a connection')

interface ConnectionFacts {
  readonly since: number
  certificate: ClientCertificate | undefined
  certificateRead: boolean
  running: RegistryRequest | undefined
  /** Idle for longer than a request may be. */
  waiting: boolean
  /** Ends with the reply of the request that runs now. */
  ending: boolean
}

interface Connection extends Socket {
  [facts]?: ConnectionFacts
}

/** The open connections of a server: who they belong to, when they have been idle or have lived for too long. */
export class Connections {
  readonly #sockets = new Set<Connection>()
  readonly #idleTimeout: number
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

  begin(socket: Connection, request: RegistryRequest): void {
    const known = this.#factsOf(socket)
    known.running = request
    if (known.waiting) {
      known.waiting = false
      socket.setTimeout(this.#idleTimeout)
    }
  }

  end(socket: Connection, request: RegistryRequest): void {
    const known = this.#factsOf(socket)
    if (known.running === request) known.running = undefined
  }

  /** Whether the reply that goes out now is to be the connection's last. */
  isOld(socket: Connection): boolean {
    const known = this.#factsOf(socket)
    return known.ending || (this.#authorities !== undefined && performance.now() - known.since > longestLife)
  }

  /** Read once per connection. */
  certificateOf(socket: Connection): ClientCertificate | undefined {
    if (this.#authorities === undefined) return undefined
    const known = this.#factsOf(socket)
    if (!known.certificateRead) {
      known.certificate = this.#authorities.certificateOf(socket)
      known.certificateRead = true
    }
    return known.certificate
  }

  /** Other CAs from now on: connections that were let in by the old ones end, at once or after their reply. */
  setAuthorities(authorities: ClientAuthorities | undefined): void {
    this.#authorities = authorities && new KnownAuthorities(authorities)
    for (const socket of this.#sockets) {
      const known = this.#factsOf(socket)
      if (known.certificateRead && known.certificate === undefined) continue
      if (known.running === undefined) socket.destroySoon()
      else known.ending = true
    }
  }

  /**
   * Ends those that answer nothing now, each as soon as its client has been sent all of its last reply. Node's own
   * `closeIdleConnections` counts a reply as done that is still in memory.
   */
  closeIdle(): void {
    for (const socket of this.#sockets) {
      // One that has asked for nothing yet may be about to.
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
    // Time in which the client waits for us is not its idleness.
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

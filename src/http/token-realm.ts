import { isIP } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { TrustedProxies } from './client-address.ts'

/**
 * The URL where clients fetch tokens. It has the host that the client has used, since only that one is known
 * to be reachable for it (with hosts.toml it is a node's own address), but never a host that is not known to
 * be trow's.
 */
export class TokenRealm {
  readonly #hosts: ReadonlySet<string>
  readonly #first: string | undefined
  readonly #proxies: TrustedProxies

  /**
   * `hosts`: names and addresses, with or without a port. The first one replaces a host that is not known.
   */
  constructor(hosts: readonly string[], proxies: TrustedProxies) {
    this.#hosts = new Set([...hosts.map(lower), 'localhost', '127.0.0.1', '[::1]', 'host.docker.internal'])
    this.#first = hosts[0]
    this.#proxies = proxies
  }

  urlFor(message: IncomingMessage): string {
    const { socket } = message
    const scheme = this.#proxies.schemeOf(message) ?? (socket instanceof TLSSocket ? 'https' : 'http')
    const host = lower(message.headers.host ?? '')
    const known = this.#hosts.has(host) || this.#hosts.has(nameOf(host)) || isOwn(host, socket.localAddress)
    const own = `${bracketed(socket.localAddress ?? 'localhost')}:${socket.localPort}`
    return `${scheme}://${known ? host : (this.#first ?? own)}/token`
  }
}

function lower(host: string): string {
  return host.toLowerCase()
}

function nameOf(host: string): string {
  return host.replace(/:\d+$/, '')
}

/** Whether the host is the local address of the connection. */
function isOwn(host: string, local: string | undefined): boolean {
  return local !== undefined && nameOf(host) === bracketed(local)
}

function bracketed(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address
  return isIP(plain) === 6 ? `[${plain}]` : plain
}

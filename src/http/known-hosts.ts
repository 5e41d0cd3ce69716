import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { OciError } from '../oci/oci-error.ts'
import { ambiguity } from './ambiguous-request.ts'
import { HttpRefusal } from './http-refusal.ts'

const always = ['localhost', 'host.docker.internal']

/**
 * Host names that a loopback server without access control answers to. A web page can point a domain of its
 * own at 127.0.0.1 (DNS rebinding) and then reach the server as same-origin. It cannot do so with an IP
 * address.
 */
export class KnownHosts {
  readonly #names: ReadonlySet<string>
  /** The last accepted Host: clients repeat it. */
  #last = ''

  /** With or without a port. */
  constructor(names: readonly string[]) {
    this.#names = new Set([...always, ...names].map((name) => nameOf(name.toLowerCase())))
  }

  /** `host`: the request's Host, checked for its form; undefined where HTTP/1.0 has none. */
  has(host: string | undefined): boolean {
    if (host === undefined || host === this.#last) return true
    const name = nameOf(host.toLowerCase())
    if (isIP(name) === 0 && !this.#names.has(name)) return false
    this.#last = host
    return true
  }
}

/** The refusal of an ambiguous request or of an unknown Host, whatever the request asks for. */
export function misunderstood(message: IncomingMessage, hosts: KnownHosts | undefined): OciError | undefined {
  const ambiguous = ambiguity(message)
  if (ambiguous !== undefined || hosts === undefined) return ambiguous
  const { host } = message.headers
  return hosts.has(host) ? undefined : misdirected(host ?? '')
}

/** RFC 9110, 15.5.20. */
function misdirected(host: string): OciError {
  return new HttpRefusal(421, 'REQUEST_INVALID', 'this server does not answer under this name', {
    detail: `Host: ${host.slice(0, 255)}: without access control a server on loopback answers to addresses, localhost and host.docker.internal; --token-hosts NAME adds a name`,
  })
}

/** The host without its port, brackets and trailing dot. */
function nameOf(host: string): string {
  return host
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
}

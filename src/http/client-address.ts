import { BlockList, isIP } from 'node:net'
import type { IncomingMessage } from 'node:http'

/** Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. */
export class TrustedProxies {
  readonly #list = new BlockList()
  readonly #any: boolean

  /** Addresses and ranges (`10.0.0.0/8`), already validated. */
  constructor(ranges: readonly string[]) {
    this.#any = ranges.length > 0
    for (const range of ranges) {
      const [address = '', bits] = range.split('/')
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
      if (bits === undefined) this.#list.addAddress(address, family)
      else this.#list.addSubnet(address, Number(bits), family)
    }
  }

  trusts(address: string): boolean {
    const plain = unmapped(address)
    return this.#any && isIP(plain) !== 0 && this.#list.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4')
  }

  /** The nearest address that is not a trusted proxy's (X-Forwarded-For, read from its end). */
  addressOf(message: IncomingMessage): string {
    let address = unmapped(message.socket.remoteAddress ?? '')
    if (!this.#any) return address
    const forwarded = message.headers['x-forwarded-for']
    const hops = typeof forwarded === 'string' ? forwarded.split(',').map((hop) => hop.trim()) : []
    while (this.trusts(address)) {
      const hop = hops.pop()
      if (hop === undefined || isIP(hop) === 0) break
      address = unmapped(hop)
    }
    return address
  }

  /** X-Forwarded-Proto of a trusted proxy; undefined where there is none. */
  schemeOf(message: IncomingMessage): 'http' | 'https' | undefined {
    if (!this.#any || !this.trusts(message.socket.remoteAddress ?? '')) return undefined
    const scheme = message.headers['x-forwarded-proto']
    return scheme === 'http' || scheme === 'https' ? scheme : undefined
  }
}

/** An IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) becomes an IPv4 address. */
function unmapped(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
}

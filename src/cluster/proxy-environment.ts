import { BlockList, isIP } from 'node:net'

/**
 * Returns the environment's proxy for a server, by client-go's rules (golang.org/x/net/http/httpproxy): HTTPS_PROXY or
 * HTTP_PROXY by the URL's scheme, in either case, unless NO_PROXY lists its host, domain (`.example.com`,
 * `example.com`), address or network (`10.0.0.0/8`), with or without a port, or `*`. Never for the local machine.
 */
export function proxyFor(
  server: string,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const read = (name: string): string => env[name] || env[name.toLowerCase()] || ''
  const { protocol, hostname, port } = new URL(server)
  const proxy = read(protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY')
  if (proxy === '') return undefined
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const target = { host, port: port === '' ? (protocol === 'https:' ? '443' : '80') : port }
  if (host === 'localhost' || inNetwork(host, '127.0.0.0/8') || host === '::1') return undefined
  const listed = read('NO_PROXY')
    .split(',')
    .map((each) => each.trim().toLowerCase())
  if (listed.some((each) => matches(each, target))) return undefined
  return proxy.includes('://') ? proxy : `http://${proxy}`
}

function matches(listed: string, { host, port }: { readonly host: string; readonly port: string }): boolean {
  if (listed === '') return false
  if (listed === '*') return true
  if (listed.includes('/')) return inNetwork(host, listed)
  if (isIP(listed) !== 0) return listed === host
  const [, name = '', only] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(listed) ?? []
  if (only !== undefined && only !== port) return false
  const domain = name.replace(/^\*?\./, '')
  // A leading dot matches hosts below the domain, not the domain itself.
  return host.endsWith(`.${domain}`) || (host === domain && domain === name)
}

function inNetwork(host: string, network: string): boolean {
  const [address = '', bits = ''] = network.split('/')
  const family = isIP(address)
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits)) return false
  if (Number(bits) > (family === 4 ? 32 : 128)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(address, Number(bits), type)
  return list.check(host, type)
}

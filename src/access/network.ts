import { isIPv6 } from 'node:net'

/**
 * The network of an address. A client with one IPv6 address has its whole /64 (RFC 6177); an IPv4-mapped IPv6
 * address (RFC 4291, 2.5.5.2) counts as its IPv4 address.
 */
export function networkOf(address: string): string {
  // Returns early, as it is called for every push: the code below takes microseconds.
  if (!address.includes(':')) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(8 - before.length - after.length, 0)
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after]
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

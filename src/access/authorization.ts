import type { Credential } from './credential.ts'

const longest = 48 * 1024

/**
 * An Authorization header: `Basic` (RFC 7617; the name ends at the first colon) or `Bearer` (RFC 6750). Undefined
 * where it is neither.
 */
export function parseAuthorization(header: string): Credential | undefined {
  const match = /^(basic|bearer) +([A-Za-z0-9+/=_.~-]+) *$/i.exec(header)
  if (match === null || header.length > longest) return undefined
  const value = match[2] as string
  if (match[1]?.toLowerCase() === 'bearer') return { kind: 'bearer', token: value }
  const pair = Buffer.from(value, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  // eslint-disable-next-line no-control-regex -- RFC 7617, 2: no control characters in either part.
  if (colon === -1 || /[\x00-\x1f\x7f]/.test(pair)) return undefined
  return { kind: 'basic', username: pair.slice(0, colon), password: pair.slice(colon + 1) }
}

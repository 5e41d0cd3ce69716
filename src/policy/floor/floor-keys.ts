import type { Scope } from '../scope.ts'

/**
 * The floor's spelling of a canonical host: an IPv6 address has all its eight groups, because CEL cannot
 * shorten one as the canonical spelling does.
 */
export function hostKey(host: string): string {
  const end = host.indexOf(']')
  if (end < 0) return host
  const address = host.slice(1, end)
  const [left = '', right] = address.split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const [before, after] = [groups(left), groups(right ?? '')]
  const zeros = right === undefined ? [] : Array<string>(8 - before.length - after.length).fill('0')
  return `[${[...before, ...zeros, ...after].join(':')}]${host.slice(end + 1)}`
}

/** What a name's candidates are compared with: `*`, `ghcr.io`, `*.corp.example/team`, `@trow/prod`. */
export function scopeKey({ host, segments }: Scope): string {
  return [hostKey(host), ...segments].join('/')
}

/** The labels of a `*.` scope's domain; undefined for other scopes. */
export function domainDepth({ host }: Scope): number | undefined {
  return host.startsWith('*.') ? host.slice(2).split('.').length : undefined
}

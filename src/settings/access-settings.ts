import { Rules, defaultRules } from '../access/rules.ts'
import type { Settings } from './settings-schema.ts'

/** Names in trow's own tokens: `issuer`, and `service`, the audience, as in the challenge. */
export const tokenNames = { issuer: 'trow', service: 'trow' } as const

/** Returns whether clients must authenticate. */
export function isAccessControlled(settings: Settings): boolean {
  if (settings.auth !== 'auto') return settings.auth === 'on'
  const { htpasswd, kubernetes, access, oidc, 'client-ca': clientCa } = settings
  return (
    htpasswd !== undefined || clientCa !== undefined || kubernetes || access !== undefined || oidc.length > 0
  )
}

export function isAudited(settings: Settings): boolean {
  return settings.audit === 'auto' ? isAccessControlled(settings) : settings.audit === 'on'
}

/**
 * Returns the names under which clients reach the registry. The first one is used in the realm if the
 * request's host is unknown.
 */
export function hostsOf(settings: Settings): readonly string[] {
  const { host, port } = settings.listen
  const own = host === '0.0.0.0' || host === '::' ? [] : [host.includes(':') ? `[${host}]` : host]
  return [
    ...settings['token-hosts'],
    ...settings['tls-san'].map((name) => (port === 443 ? name : `${name}:${port}`)),
    ...settings['tls-san'],
    ...own.map((name) => `${name}:${port}`),
    ...own,
  ]
}

export function rulesOf({ access }: Settings): Rules {
  return new Rules(access ?? defaultRules)
}

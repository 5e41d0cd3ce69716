import { Rules, defaultRules } from '../access/rules.ts'
import type { Settings } from './settings-schema.ts'

/** Whose tokens ours are, and whom they are for: `service` of the challenge. */
export const tokenNames = { issuer: 'trow', service: 'trow' } as const

/** Whether anybody is asked who they are. */
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

/** Names under which clients reach the registry: the first one stands in the realm for a host that is not known. */
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

import { createHash } from 'node:crypto'
import { counted } from '../counted.ts'
import { isAccessControlled, isAudited } from './access-settings.ts'
import { printedSetting } from './live-settings.ts'
import type { SettingName, Settings } from './settings-schema.ts'

/**
 * Settings of which a client notices which process has answered, where they differ. Paths are not among them: each
 * machine may have its own.
 */
const compared: readonly SettingName[] = [
  'kubernetes',
  'access',
  'oidc',
  'api-server-tokens',
  'node-agents',
  'audit-on-failure',
  'audit-readers',
  'audit-keep-changes',
  'audit-keep-pulls',
  'audit-size-denials',
  'audit-size-pulls',
  'policy-own-hosts',
  'policy-unjudged',
  'policy-longest-exception',
  'policy-require-ticket',
  'manifest-limit',
  'allow-missing',
  'allow-sparse-index',
  'gc-grace',
  'delete-delay',
  'upload-expiry',
  'untagged',
]

/** Characters of a value that is shown whole. */
const longestShown = 60

/** What the processes of one registry should have in common, by name, in a form for people. Holds no secrets. */
export function commonSettings(settings: Settings): Readonly<Record<string, string>> {
  return {
    'policy source': policySource(settings),
    auth: onOff(isAccessControlled(settings)),
    htpasswd: given(settings.htpasswd),
    'client-ca': given(settings['client-ca']),
    audit: onOff(isAudited(settings)),
    ...Object.fromEntries(compared.map((name) => [name, shown(printedSetting(name, settings[name]))])),
  }
}

function policySource(settings: Settings): string {
  if (settings['policy-dir'] !== undefined) return 'policy-dir'
  if (settings['policy-cluster']) return 'policy-cluster'
  return settings['policy-database'] ? 'policy-database' : 'none'
}

function onOff(value: boolean): string {
  return value ? 'on' : 'off'
}

function given(path: string | undefined): string {
  return path === undefined ? 'not set' : 'set'
}

/** A long value, such as many rules, by its length and digest. */
function shown(value: unknown): string {
  if (value === null) return 'not set'
  if (typeof value === 'boolean') return onOff(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (text.length <= longestShown) return text
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 12)
  const size = Array.isArray(value)
    ? counted(value.length, 'entry', 'entries')
    : counted(text.length, 'character')
  return `${size}, sha256:${digest}`
}

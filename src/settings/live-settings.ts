import { isAccessControlled } from './access-settings.ts'
import { settingInfo, settingNames } from './setting-info.ts'
import type { SettingName, Settings } from './settings-schema.ts'

/** The settings that a running server takes from a changed trow.yaml. All others need a restart. */
export const liveSettings: ReadonlySet<SettingName> = new Set<SettingName>([
  'access',
  'oidc',
  'audit-readers',
  'audit-keep-changes',
  'audit-keep-pulls',
  'audit-size-denials',
  'audit-size-pulls',
  'log-level',
  'manifest-limit',
  'inline-limit',
  'reserve',
  'idle-timeout',
  'gc-interval',
  'gc-grace',
  'delete-delay',
  'upload-expiry',
  'fsck-rate',
  'allow-missing',
  'allow-sparse-index',
  'untagged',
])

export interface SettingsChange {
  /** What a server that ran with `before` runs with from now on. */
  readonly settings: Settings
  /** Those that differ and apply now. */
  readonly live: readonly SettingName[]
  /** Those that differ and apply after a restart. */
  readonly restart: readonly SettingName[]
}

/**
 * Compares two sets of settings. Rules and issuers need a restart where they turn the control of access on or off,
 * because that starts or ends threads.
 */
export function changeOf(before: Settings, after: Settings): SettingsChange {
  const differing = settingNames.filter((name) => !isSame(before[name], after[name]))
  const switchesAccess = isAccessControlled(before) !== isAccessControlled(after)
  const isLive = (name: SettingName): boolean =>
    liveSettings.has(name) && !(switchesAccess && (name === 'access' || name === 'oidc'))
  const live = differing.filter(isLive)
  return {
    settings: { ...before, ...Object.fromEntries(live.map((name) => [name, after[name]])) },
    live,
    restart: differing.filter((name) => !isLive(name)),
  }
}

/** A value in the form in which trow.yaml has it; null where it is not set. */
export function printedSetting<Name extends SettingName>(name: Name, value: Settings[Name]): unknown {
  if (value === undefined) return null
  const print = settingInfo[name].print as ((value: unknown) => unknown) | undefined
  return print?.(value) ?? value
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

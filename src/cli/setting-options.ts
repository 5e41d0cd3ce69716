import { availableParallelism } from 'node:os'
import { Option, type Command } from 'commander'
import { resolveSettings, type ResolvedSettings } from '../settings/settings.ts'
import { defaultSettings } from '../settings/default-settings.ts'
import { fileOnly, settingInfo } from '../settings/setting-info.ts'
import type { SettingName } from '../settings/settings-schema.ts'
import { settingGroups } from '../settings/setting-groups.ts'
import { noSetting } from '../settings/settings-variables.ts'
import type { Terminal } from './streams.ts'

/** The settings that say where a registry keeps its content: those of each command that opens it. */
export const storageSettingNames = [
  'data',
  'database',
  'database-password-file',
  's3',
  's3-endpoint',
  's3-region',
  's3-path-style',
  's3-encryption',
] as const

/** More settings than these are listed by what they are about. */
const mostInOneGroup = 12

/** The flag of a setting, which can be given by a variable and in a trow.yaml too. */
export class SettingOption extends Option {
  readonly setting: SettingName

  constructor(setting: SettingName) {
    const { help, value } = settingInfo[setting]
    const initial = shownDefaults[setting] ?? defaultSettings(1)[setting]
    const isShown = value !== undefined && (typeof initial === 'string' || typeof initial === 'number')
    super(
      `--${setting}${value === undefined ? '' : ` <${value}>`}`,
      isShown ? `${help} (default: ${initial})` : help,
    )
    this.setting = setting
  }
}

/** A default that depends on the machine, in words. */
const shownDefaults: Readonly<Partial<Record<SettingName, string>>> = { workers: 'one a core, 8 at most' }

/** Adds the flags of these settings, and --config. */
export function addSettingOptions(command: Command, names: readonly SettingName[]): void {
  const isGrouped = names.length > mostInOneGroup
  for (const { title, names: ofGroup } of settingGroups) {
    for (const name of ofGroup) {
      if (fileOnly.has(name) || !names.includes(name)) continue
      const option = new SettingOption(name)
      command.addOption(isGrouped ? option.helpGroup(`${title}:`) : option)
    }
  }
  const config = new Option('--config <file>', 'a trow.yaml with settings (default: TROW_CONFIG)')
  command.addOption(isGrouped ? config.helpGroup('Configuration:') : config)
}

/**
 * Returns the settings of a command line made with `addSettingOptions`. Prints on stderr the variables that
 * look like settings and are none. Throws UserError as `resolveSettings`.
 */
export async function settingsOf(
  options: Readonly<Record<string, unknown>>,
  terminal: Terminal,
): Promise<ResolvedSettings> {
  const resolved = await settingsQuietlyOf(options, terminal)
  warnOfVariables(resolved, terminal)
  return resolved
}

/** Prints on stderr the variables that look like settings and are none. */
export function warnOfVariables({ ignored }: ResolvedSettings, { stderr }: Terminal): void {
  for (const variable of ignored) stderr.write(`trow: ${noSetting(variable)}\n`)
}

/** As `settingsOf`, without output on stderr. */
export function settingsQuietlyOf(
  options: Readonly<Record<string, unknown>>,
  terminal: Terminal,
): Promise<ResolvedSettings> {
  const flags: Record<string, unknown> = {}
  for (const name of Object.keys(settingInfo)) {
    const given = options[camelCase(name)]
    if (given !== undefined) flags[name] = given
  }
  return resolveSettings({
    flags,
    env: terminal.env,
    file: (options['config'] as string | undefined) ?? terminal.env['TROW_CONFIG'],
    cores: availableParallelism(),
  })
}

function camelCase(name: string): string {
  return name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

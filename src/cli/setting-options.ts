import { availableParallelism } from 'node:os'
import { Option, type Command } from 'commander'
import { resolveSettings, type ResolvedSettings } from '../settings/settings.ts'
import { defaultSettings, fileOnly, settingInfo, type SettingName } from '../settings/settings-schema.ts'
import { noSetting } from '../settings/settings-variables.ts'
import type { Terminal } from './streams.ts'

/** Adds the flags of these settings, and --config. */
export function addSettingOptions(command: Command, names: readonly SettingName[]): void {
  const defaults = defaultSettings(availableParallelism())
  for (const name of names) {
    const { help, value } = settingInfo[name]
    if (fileOnly.has(name)) continue
    const initial = defaults[name]
    const shown =
      value !== undefined && (typeof initial === 'string' || typeof initial === 'number')
        ? `${help} (default: ${initial})`
        : help
    command.addOption(new Option(value === undefined ? `--${name}` : `--${name} <${value}>`, shown))
  }
  command.option('--config <file>', 'a trow.yaml with settings')
}

/**
 * The settings of a command line made with `addSettingOptions`; names on stderr the variables that look like settings and
 * are none. Throws UserError as `resolveSettings` does.
 */
export async function settingsOf(
  options: Readonly<Record<string, unknown>>,
  terminal: Terminal,
): Promise<ResolvedSettings> {
  const resolved = await settingsQuietlyOf(options, terminal)
  warnOfVariables(resolved, terminal)
  return resolved
}

/** Names on stderr the variables that look like settings and are none. */
export function warnOfVariables({ ignored }: ResolvedSettings, { stderr }: Terminal): void {
  for (const variable of ignored) stderr.write(`trow: ${noSetting(variable)}\n`)
}

/** As `settingsOf`, without a word on stderr. */
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

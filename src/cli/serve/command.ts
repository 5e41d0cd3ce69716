import { availableParallelism } from 'node:os'
import { Command, Option } from 'commander'
import type { CommandContext } from '../program.ts'
import { defaultSettings, fileOnly, settingInfo, type SettingName } from '../settings-schema.ts'
import { printSettings } from '../print-settings.ts'
import { resolveSettings, type ResolvedSettings } from '../settings.ts'
import { noSetting, variableOf } from '../settings-variables.ts'
import type { Terminal } from '../streams.ts'
import { serve } from './serve.ts'

export function serveCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('serve').description('run the registry').addHelpText(
    'after',
    `
Each setting is a flag, a variable (--gc-grace is ${variableOf('gc-grace')}) or a key of trow.yaml (gc-grace: 24h), in
that order. Lists are separated by commas.`,
  )
  addSettingOptions(command, Object.keys(settingInfo) as SettingName[])
  return command
    .option('--print-config', 'print the effective settings as YAML, with where each came from')
    .action(async (options: Record<string, unknown>) => {
      const resolved = await resolve(options, terminal)
      if (options['printConfig'] === true) {
        warnOfVariables(resolved, terminal)
        terminal.exact.stdout.write(printSettings(resolved))
        return
      }
      finish(await serve(resolved, terminal))
    })
}

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
  const resolved = await resolve(options, terminal)
  warnOfVariables(resolved, terminal)
  return resolved
}

function warnOfVariables({ ignored }: ResolvedSettings, { stderr }: Terminal): void {
  for (const variable of ignored) stderr.write(`trow: ${noSetting(variable)}\n`)
}

function resolve(options: Readonly<Record<string, unknown>>, terminal: Terminal): Promise<ResolvedSettings> {
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

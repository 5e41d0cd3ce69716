import { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { settingInfo, type SettingName } from '../../settings/settings-schema.ts'
import { printSettings } from '../../settings/print-settings.ts'
import { addSettingOptions, settingsQuietlyOf, warnOfVariables } from '../setting-options.ts'
import { variableOf } from '../../settings/settings-variables.ts'
import { bannerText } from './banner.ts'
import { serve } from '../../serve/serve.ts'

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
      const resolved = await settingsQuietlyOf(options, terminal)
      if (options['printConfig'] === true) {
        warnOfVariables(resolved, terminal)
        terminal.exact.stdout.write(printSettings(resolved))
        return
      }
      finish(await serve(resolved, terminal, (facts) => bannerText(facts, terminal.env)))
    })
}

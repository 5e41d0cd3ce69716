import { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { settingNames } from '../../settings/setting-info.ts'
import { printSettings } from '../../settings/print-settings.ts'
import { addSettingOptions, settingsQuietlyOf, warnOfVariables } from '../setting-options.ts'
import { variableOf } from '../../settings/settings-variables.ts'
import { trowVersion } from '../version.ts'
import { bannerText } from './banner.ts'
import { serve } from '../../serve/serve.ts'
import { examples } from '../help/examples.ts'

export function serveCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('serve')
    .description('run the registry')
    .addHelpText(
      ...examples(
        'trow serve',
        'trow serve --listen 0.0.0.0:5000 --tls-auto --tls-san registry.example.com --htpasswd users',
        'trow serve --config trow.yaml --check-config',
      ),
    )
    .addHelpText(
      'after',
      `
Each setting is a flag, a variable (--gc-grace is ${variableOf('gc-grace')}) or a key of trow.yaml (gc-grace: 24h), in
that order. Lists are separated by commas.`,
    )
  addSettingOptions(command, settingNames)
  return command
    .optionsGroup('Configuration:')
    .option(
      '--check-config',
      'check settings, the files that they name and the policy folder, and start nothing: 0, or 79 with all that is wrong',
    )
    .option('--print-config', 'print the effective settings as YAML, with where each came from')
    .action(async (options: Record<string, unknown>) => {
      if (options['checkConfig'] === true) {
        // Loaded here: a start does not need the modules that check.
        const { checkConfig } = await import('./check-config.ts')
        return finish(await checkConfig(options, terminal))
      }
      const resolved = await settingsQuietlyOf(options, terminal)
      if (options['printConfig'] === true) {
        warnOfVariables(resolved, terminal)
        terminal.exact.stdout.write(printSettings(resolved))
        return
      }
      finish(
        await serve(resolved, terminal, {
          version: trowVersion(),
          banner: (facts) => bannerText(facts, terminal.env),
          reread: () => settingsQuietlyOf(options, terminal),
        }),
      )
    })
}

import { checkConfiguration } from '../../serve/check-configuration.ts'
import { SettingsError } from '../../settings/settings-error.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { settingsOf } from '../setting-options.ts'
import type { Terminal } from '../streams.ts'
import { printUserError } from '../user-error-text.ts'

/** Runs `trow serve --check-config`: prints all that is wrong, as the start would print the first of it. */
export async function checkConfig(
  options: Readonly<Record<string, unknown>>,
  terminal: Terminal,
): Promise<number> {
  const problems = await problemsOf(options, terminal)
  for (const problem of problems) printUserError(problem, terminal)
  if (problems.length > 0) return exitCode.problemsFound
  terminal.stderr.write('trow: nothing is wrong with the configuration\n')
  return 0
}

async function problemsOf(
  options: Readonly<Record<string, unknown>>,
  terminal: Terminal,
): Promise<readonly UserError[]> {
  try {
    const { settings } = await settingsOf(options, terminal)
    return await checkConfiguration(settings, { env: terminal.env, cwd: terminal.cwd })
  } catch (error) {
    if (error instanceof SettingsError) return error.problems
    if (error instanceof UserError) return [error]
    throw error
  }
}

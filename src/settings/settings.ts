import { exitCode, UserError } from '../user-error.ts'
import {
  defaultSettings,
  settingInfo,
  settingsSchema,
  type SettingName,
  type Settings,
} from './settings-schema.ts'
import { readVariables } from './settings-variables.ts'

export interface ResolvedSettings {
  readonly settings: Settings
  /** Where each value came from, for people: `default`, `--listen`, `TROW_LISTEN`, `trow.yaml`. */
  readonly origins: Readonly<Record<SettingName, string>>
  /** Variables that begin like ours and are no settings. */
  readonly ignored: readonly string[]
}

interface Given {
  readonly value: unknown
  readonly origin: string
}

const names = Object.keys(settingInfo) as SettingName[]

/**
 * Puts the settings together: a flag outranks its variable, that outranks the file, that the default. Throws
 * UserError CONFIG_INVALID (a value), CONFIG_UNKNOWN_KEY (with the nearest known name), CONFIG_UNREADABLE.
 */
export async function resolveSettings(sources: {
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly file: string | undefined
  readonly cores: number
}): Promise<ResolvedSettings> {
  const fromFile = sources.file === undefined ? {} : await fileSettings(sources.file)
  const { given: fromEnv, ignored } = readVariables(sources.env)
  const defaults = defaultSettings(sources.cores)
  const values: Record<string, unknown> = {}
  const origins: Partial<Record<SettingName, string>> = {}
  for (const name of names) {
    const given: Given =
      name in sources.flags
        ? { value: sources.flags[name], origin: `--${name}` }
        : (fromEnv[name] ?? fromFile[name] ?? { value: defaults[name], origin: 'default' })
    if (given.value !== undefined) values[name] = given.value
    origins[name] = given.origin
  }
  const parsed = settingsSchema.safeParse(values)
  if (parsed.success) {
    return { settings: parsed.data, origins: origins as Record<SettingName, string>, ignored }
  }
  const issue = parsed.error.issues[0]
  const name = String(issue?.path[0]) as SettingName
  const shown = settingInfo[name]?.secret === undefined ? values[name] : '(not shown)'
  throw new UserError(
    'CONFIG_INVALID',
    `${origins[name] ?? name}: ${printIssue(issue?.path ?? [], shown, issue?.message ?? '')}`,
    { hint: `${name}: ${settingInfo[name]?.help ?? ''}`, exitCode: exitCode.usage },
  )
}

async function fileSettings(path: string): Promise<Partial<Record<string, Given>>> {
  // Most servers are started without one, and go without what reads it.
  const { readSettingsFile } = await import('./settings-file.ts')
  const given = Object.entries(readSettingsFile(path))
  return Object.fromEntries(given.map(([name, value]) => [name, { value, origin: path }]))
}

function printIssue(path: readonly PropertyKey[], value: unknown, message: string): string {
  const at = path.slice(1).map(String).join('.')
  return `${at === '' ? '' : `${at}: `}${JSON.stringify(value)} ${message}`
}

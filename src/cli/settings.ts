import { exitCode, UserError } from '../user-error.ts'
import {
  defaultSettings,
  fileOnly,
  settingInfo,
  settingsSchema,
  type SettingName,
  type Settings,
} from './settings-schema.ts'
import { unknownSetting } from './unknown-setting.ts'

export interface ResolvedSettings {
  readonly settings: Settings
  /** Where each value came from, for people: `default`, `--listen`, `TROW_LISTEN`, `trow.yaml`. */
  readonly origins: Readonly<Record<SettingName, string>>
}

interface Given {
  readonly value: unknown
  readonly origin: string
}

const names = Object.keys(settingInfo) as SettingName[]

/** Names of other variables that begin with TROW_: of other commands, and those Kubernetes sets for a Service `trow`. */
const otherVariables = /^TROW_(CONFIG|REGISTRY|SERVICE_(HOST|PORT)\w*|PORT(_\w+)?)$/

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
  const fromEnv = readVariables(sources.env)
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
  if (parsed.success) return { settings: parsed.data, origins: origins as Record<SettingName, string> }
  const issue = parsed.error.issues[0]
  const name = String(issue?.path[0]) as SettingName
  throw new UserError(
    'CONFIG_INVALID',
    `${origins[name] ?? name}: ${printIssue(issue?.path ?? [], values[name], issue?.message ?? '')}`,
    { hint: `${name}: ${settingInfo[name]?.help ?? ''}`, exitCode: exitCode.usage },
  )
}

async function fileSettings(path: string): Promise<Partial<Record<string, Given>>> {
  // Most servers are started without one, and go without what reads it.
  const { readSettingsFile } = await import('./settings-file.ts')
  const given = Object.entries(readSettingsFile(path))
  return Object.fromEntries(given.map(([name, value]) => [name, { value, origin: path }]))
}

/** The settings as a trow.yaml, each with its origin as a comment. */
export function printSettings({ settings, origins }: ResolvedSettings): string {
  const lines = names.map((name) => {
    const value = settings[name]
    const print = settingInfo[name].print as ((value: unknown) => string) | undefined
    const shown = value === undefined ? undefined : (print?.(value) ?? value)
    const comment = ` # ${origins[name]}`
    return shown === undefined ? `# ${name}:${comment}` : `${name}: ${inline(shown)}${comment}`
  })
  return `${lines.join('\n')}\n`
}

export function variableOf(name: string): string {
  return `TROW_${name.toUpperCase().replaceAll('-', '_')}`
}

function readVariables(
  env: Readonly<Record<string, string | undefined>>,
): Partial<Record<SettingName, Given>> {
  const given: Partial<Record<SettingName, Given>> = {}
  const variables = new Map(
    names.filter((name) => !fileOnly.has(name)).map((name) => [variableOf(name), name]),
  )
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('TROW_') || value === undefined || otherVariables.test(variable)) continue
    const name = variables.get(variable)
    if (name === undefined) throw unknownSetting(variable, [...variables.keys()], 'the environment')
    given[name] = { value, origin: variable }
  }
  return given
}

function printIssue(path: readonly PropertyKey[], value: unknown, message: string): string {
  const at = path.slice(1).map(String).join('.')
  return `${at === '' ? '' : `${at}: `}${JSON.stringify(value)} ${message}`
}

function inline(value: unknown): string {
  return typeof value === 'string' && /^[\w./:-]+$/.test(value) ? value : JSON.stringify(value)
}

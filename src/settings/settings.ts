import { markOrReason } from '../file-mark.ts'
import { exitCode, UserError } from '../user-error.ts'
import { defaultSettings } from './default-settings.ts'
import { settingInfo, settingNames } from './setting-info.ts'
import { settingsSchema, type SettingName, type Settings } from './settings-schema.ts'
import { printPath, settingSentence } from './setting-sentences.ts'
import { SettingsError } from './settings-error.ts'
import type { SettingsFile } from './settings-file.ts'
import { readVariables } from './settings-variables.ts'

export interface ResolvedSettings {
  readonly settings: Settings
  /** The origin of each value, for people: `default`, `--listen`, `TROW_LISTEN`, `trow.yaml`. */
  readonly origins: Readonly<Record<SettingName, string>>
  /** Variables that begin with TROW_ and are no settings. */
  readonly ignored: readonly string[]
  /** The trow.yaml that was read. */
  readonly file: ReadFile | undefined
}

export interface ReadFile {
  readonly path: string
  /** Taken before the file was read (`markOrReason`): a change that the settings lack differs from it. */
  readonly mark: string
}

interface Given {
  readonly value: unknown
  readonly origin: string
}

/**
 * Merges the settings. The order is flag, variable, file, default; the first one that is set wins. Throws
 * SettingsError with CONFIG_INVALID (a value) and CONFIG_UNKNOWN_KEY (with the nearest known name), and UserError
 * CONFIG_UNREADABLE.
 */
export async function resolveSettings(sources: {
  readonly flags: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly file: string | undefined
  readonly cores: number
}): Promise<ResolvedSettings> {
  const read = sources.file === undefined ? undefined : markedFile(sources.file)
  const file = read && (await openFile(read.path))
  const fromFile = file === undefined ? {} : file.values
  const { given: fromEnv, ignored } = readVariables(sources.env)
  const defaults = defaultSettings(sources.cores)
  const values: Record<string, unknown> = {}
  const origins: Partial<Record<SettingName, string>> = {}
  const fromFileOrDefault = (name: SettingName): Given =>
    name in fromFile && sources.file !== undefined
      ? { value: fromFile[name], origin: sources.file }
      : { value: defaults[name], origin: 'default' }
  for (const name of settingNames) {
    const given: Given =
      name in sources.flags
        ? { value: sources.flags[name], origin: `--${name}` }
        : (fromEnv[name] ?? fromFileOrDefault(name))
    if (given.value !== undefined) values[name] = given.value
    origins[name] = given.origin
  }
  const parsed = settingsSchema.safeParse(values, { error: settingSentence })
  if (parsed.success) {
    return {
      settings: parsed.data,
      origins: origins as Record<SettingName, string>,
      ignored,
      file: read,
    }
  }
  throw new SettingsError(
    parsed.error.issues.map(({ path, message }) => {
      const name = String(path[0])
      const isFromFile = file !== undefined && origins[name as SettingName] === sources.file
      return settingProblem({
        path,
        value: valueAt(values, path),
        message,
        origin: isFromFile
          ? `${file.placeOf(path)}: ${printPath(path)}`
          : `${origins[name as SettingName] ?? name}`,
      })
    }),
  )
}

function markedFile(path: string): ReadFile {
  return { path, mark: markOrReason(path) }
}

interface InvalidSetting {
  readonly path: readonly PropertyKey[]
  readonly value: unknown
  readonly message: string
  readonly origin: string
}

async function openFile(path: string): Promise<SettingsFile> {
  // Loaded here: most servers start without a file and do not need this module.
  const { openSettingsFile } = await import('./settings-file.ts')
  return openSettingsFile(path)
}

function settingProblem({ path, value, message, origin }: InvalidSetting): UserError {
  const name = String(path[0])
  const info = Object.entries(settingInfo).find(([each]) => each === name)?.[1]
  const shown =
    info?.secret === undefined && info?.hiddenWhenWrong === undefined ? printValue(value) : '(not shown) '
  return new UserError('CONFIG_INVALID', `${origin}: ${shown}${message}`, {
    hint: `${name}: ${info?.help ?? ''}`,
    exitCode: exitCode.usage,
  })
}

function valueAt(values: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) => (typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined),
    values,
  )
}

/** Objects are not printed: their place says where they stand. */
function printValue(value: unknown): string {
  if (value === undefined || typeof value === 'object') return ''
  const text = JSON.stringify(value)
  return `${text.length > 100 ? `${text.slice(0, 100)}…` : text} `
}

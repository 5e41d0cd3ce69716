import { exitCode, UserError } from '../../user-error.ts'
import { defaultSettings } from '../../settings/default-settings.ts'
import { printPath, settingSentence } from '../../settings/setting-sentences.ts'
import { readSettingsFile } from '../../settings/settings-file.ts'
import { settingsSchema } from '../../settings/settings-schema.ts'

const again = 'Correct it and type trow install again; trow serve --help'

/** What the trow.yaml of `--config` holds. Throws as `readSettingsFile`. */
export function readServeFile(path: string): Readonly<Record<string, unknown>> {
  return readSettingsFile(path, `${again} lists all settings.`)
}

/** Checks the registry's whole trow.yaml as `trow serve` will. Throws UserError CONFIG_INVALID. */
export function checkServeSettings(configuration: Readonly<Record<string, unknown>>): void {
  const values = Object.fromEntries(
    Object.entries({ ...defaultSettings(1), ...configuration }).filter(([, value]) => value !== undefined),
  )
  const parsed = settingsSchema.safeParse(values, { error: settingSentence })
  if (parsed.success) return
  const [{ path, message } = { path: [], message: 'cannot be used' }] = parsed.error.issues
  throw new UserError('CONFIG_INVALID', `--config: ${printPath(path)}: ${message}`, {
    hint: `${again} says what each setting may be.`,
    exitCode: exitCode.usage,
  })
}

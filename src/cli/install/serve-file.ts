import { exitCode, UserError } from '../../user-error.ts'
import { defaultSettings } from '../../settings/default-settings.ts'
import { printPath, settingSentence } from '../../settings/setting-sentences.ts'
import { settingsSchema } from '../../settings/settings-schema.ts'

/** Checks the registry's whole trow.yaml as `trow serve` will. Throws UserError CONFIG_INVALID. */
export function checkServeSettings(configuration: Readonly<Record<string, unknown>>): void {
  const values = Object.fromEntries(
    Object.entries({ ...defaultSettings(1), ...configuration }).filter(([, value]) => value !== undefined),
  )
  const parsed = settingsSchema.safeParse(values, { error: settingSentence })
  if (parsed.success) return
  const [{ path, message } = { path: [], message: 'cannot be used' }] = parsed.error.issues
  throw new UserError('CONFIG_INVALID', `--config: ${printPath(path)}: ${message}`, {
    hint: 'trow serve --help says what each setting may be.',
    exitCode: exitCode.usage,
  })
}

import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { exitCode, UserError } from '../../user-error.ts'
import { defaultSettings, settingsSchema } from '../settings-schema.ts'
import { readSettingsFile } from '../settings.ts'

/** A trow.yaml, as it stands there; each key is one of `trow serve`. Throws UserError as `readSettingsFile` does. */
export function readServeFile(path: string): Record<string, unknown> {
  readSettingsFile(path)
  return (parseDocument(readFileSync(path, 'utf8')).toJS() ?? {}) as Record<string, unknown>
}

/** Has the registry's whole trow.yaml checked as `trow serve` will. Throws UserError CONFIG_INVALID. */
export function checkServeSettings(configuration: Readonly<Record<string, unknown>>): void {
  const values = Object.fromEntries(
    Object.entries({ ...defaultSettings(1), ...configuration }).filter(([, value]) => value !== undefined),
  )
  const parsed = settingsSchema.safeParse(values)
  if (parsed.success) return
  const [issue] = parsed.error.issues
  throw new UserError('CONFIG_INVALID', `--config: ${issue?.path.join('.')}: ${issue?.message}`, {
    hint: 'trow serve --help says what each setting may be.',
    exitCode: exitCode.usage,
  })
}

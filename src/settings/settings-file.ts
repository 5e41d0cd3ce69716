import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { reasonOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import { settingInfo } from './settings-schema.ts'
import { unknownSetting } from './unknown-setting.ts'

/**
 * A trow.yaml as it stands there, each key the name of a setting. Throws UserError CONFIG_UNREADABLE, CONFIG_INVALID,
 * CONFIG_UNKNOWN_KEY.
 */
export function readSettingsFile(path: string): Readonly<Record<string, unknown>> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UserError('CONFIG_UNREADABLE', `${path} cannot be read: ${reasonOf(cause)}`, {
      hint: 'Check the path given with --config.',
      cause,
      exitCode: exitCode.usage,
    })
  }
  const document = parseDocument(text, { prettyErrors: true })
  const [problem] = document.errors
  if (problem) {
    throw new UserError('CONFIG_INVALID', `${path}: ${problem.message.split('\n')[0]}`, {
      exitCode: exitCode.usage,
    })
  }
  const content: unknown = document.toJS() ?? {}
  if (typeof content !== 'object' || Array.isArray(content)) {
    throw new UserError('CONFIG_INVALID', `${path}: must hold "name: value" lines`, {
      exitCode: exitCode.usage,
    })
  }
  const names = Object.keys(settingInfo)
  for (const name of Object.keys(content as object))
    if (!names.includes(name)) throw unknownSetting(name, names, path)
  return content as Readonly<Record<string, unknown>>
}

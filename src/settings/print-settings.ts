import { settingInfo, settingNames } from './setting-info.ts'
import type { SettingName } from './settings-schema.ts'
import type { ResolvedSettings } from './settings.ts'

/**
 * Prints the settings as a trow.yaml with the same meaning, each with its origin as a comment. A value that
 * may contain a secret is left out, and the first line names these settings.
 */
export function printSettings({ settings, origins }: ResolvedSettings): string {
  const hidden = settingNames.filter((name) => isSecret(name, settings[name]))
  const lines = settingNames.map((name) => {
    const value = settings[name]
    const print = settingInfo[name].print as ((value: unknown) => unknown) | undefined
    const comment = ` # ${oneLine(origins[name])}`
    if (value === undefined) return `# ${name}:${comment}`
    if (hidden.includes(name)) return `# ${name}: (not shown: ${settingInfo[name].secret})${comment}`
    return `${name}: ${inline(print?.(value) ?? value)}${comment}`
  })
  const notice =
    hidden.length === 0 ? [] : [`# Missing here, because they may hold a secret: ${hidden.join(', ')}`]
  return `${[...notice, ...lines].join('\n')}\n`
}

/** A reference to a file is not a secret. */
function isSecret(name: SettingName, value: unknown): boolean {
  if (settingInfo[name].secret === undefined || value === undefined) return false
  return typeof value !== 'string' || !value.startsWith('file:')
}

/** Prints a plain scalar if YAML 1.2 reads it as this very text, otherwise JSON, which is YAML. */
function inline(value: unknown): string {
  return typeof value === 'string' && isPlain(value) ? value : JSON.stringify(value)
}

function isPlain(text: string): boolean {
  return (
    /^[A-Za-z0-9./][\w./:-]*$/.test(text) &&
    !text.endsWith(':') &&
    !/^(true|false|null|\.(inf|nan))$/i.test(text) &&
    Number.isNaN(Number(text))
  )
}

function oneLine(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

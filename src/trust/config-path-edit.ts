import { isDeepStrictEqual } from 'node:util'
import { imagesPlugin, type Release } from './containerd-config.ts'
import { lineMark } from './ownership.ts'
import { isTable, parseToml, tomlString, type Toml } from './toml.ts'

const was = `${lineMark}, was: `
const blockStart = `${lineMark}, added up to the next such line`
const glued = `${blockStart}; the file ended without a line break`
const blockEnd = `${lineMark}, end`

/**
 * Returns config.toml with config_path set, by an edit of one line or by a table at the end of the file.
 * Comments, order and line ends stay, and `withoutConfigPath` restores every byte. Returns `undefined` if
 * TOML allows the setting in no place of this text, or if the result would change anything else.
 */
export function withConfigPath(text: string, folder: string, release: Release): string | undefined {
  const content = parseToml(text)
  const plugin = imagesPlugin(content, release)
  const edited = inTable(text, plugin, folder) ?? atEnd(text, plugin, folder)
  const wanted = withValue(content, ['plugins', plugin, 'registry', 'config_path'], folder)
  try {
    return isDeepStrictEqual(plain(parseToml(edited)), plain(wanted)) ? edited : undefined
  } catch {
    return undefined
  }
}

/** Returns the text without the edit of `withConfigPath`; the same text if it has no such edit. */
export function withoutConfigPath(text: string): string {
  const kept: string[] = []
  let inBlock = false
  for (const line of lines(text)) {
    const bare = line.trim()
    if (bare === blockStart || bare === glued) {
      inBlock = true
      const last = kept.at(-1)
      if (bare === glued && last !== undefined) kept[kept.length - 1] = last.replace(/\n$/, '')
    } else if (inBlock) inBlock = bare !== blockEnd
    else if (line.includes(was)) kept.push(originalLine(line))
    else if (!line.trimEnd().endsWith(lineMark)) kept.push(line)
  }
  return kept.join('')
}

/**
 * Sets it inside the table's own section. Finds the section only if its header is written in the usual TOML
 * form.
 */
function inTable(text: string, plugin: string, folder: string): string | undefined {
  const all = lines(text)
  const header = all.findIndex((line) => isHeader(line, plugin))
  if (header < 0) return undefined
  const next = all.findIndex((line, index) => index > header && /^\s*\[/.test(line))
  const end = next < 0 ? all.length : next
  const old = all.findIndex(
    (line, index) => index > header && index < end && /^\s*(config_path|"config_path")\s*=/.test(line),
  )
  const setting = `  config_path = ${tomlString(folder)} `
  if (old >= 0) {
    const line = all[old] ?? ''
    return replaced(all, old, `${setting}${was}${JSON.stringify(line)}\n`)
  }
  const line = all[header] ?? ''
  // The header may end the file without a line break. Then there is no edit: `withoutConfigPath` could not
  // restore the missing line break, and a second table of that name would be invalid TOML.
  return line.endsWith('\n') ? replaced(all, header, `${line}${setting}${lineMark}\n`) : undefined
}

function atEnd(text: string, plugin: string, folder: string): string {
  const whole = text === '' || text.endsWith('\n')
  return [
    `${text}${whole ? '' : '\n'}${whole ? blockStart : glued}`,
    `[plugins.${/^[\w-]+$/.test(plugin) ? plugin : tomlString(plugin)}.registry]`,
    `  config_path = ${tomlString(folder)}`,
    blockEnd,
    '',
  ].join('\n')
}

function isHeader(line: string, plugin: string): boolean {
  const keys = /^\s*\[\s*plugins\s*\.\s*(.*?)\s*\.\s*registry\s*\]\s*(#.*)?$/.exec(line.trimEnd())?.[1]
  return keys === plugin || keys === `"${plugin}"` || keys === `'${plugin}'`
}

function originalLine(line: string): string {
  try {
    const original: unknown = JSON.parse(line.slice(line.indexOf(was) + was.length).trim())
    return typeof original === 'string' ? original : line
  } catch {
    return line
  }
}

function lines(text: string): string[] {
  return text.split(/(?<=\n)/)
}

function replaced(all: readonly string[], index: number, line: string): string {
  return all.with(index, line).join('')
}

function withValue(table: Toml, [key = '', ...rest]: readonly string[], value: string): Toml {
  if (rest.length === 0) return { ...table, [key]: value }
  const inner = table[key]
  return { ...table, [key]: withValue(isTable(inner) ? inner : {}, rest, value) }
}

/**
 * TOML tables have no prototype. The order of keys and the class of dates do not matter for this comparison.
 */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (!isTable(value)) return value instanceof Date ? value.toISOString() : value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
}

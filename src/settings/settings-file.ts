import { readFileSync } from 'node:fs'
import { isNode, isScalar, LineCounter, parseDocument, visit, type Document, type ErrorCode } from 'yaml'
import { plainReason } from '../plain-reason.ts'
import { exitCode, UserError } from '../user-error.ts'
import { settingInfo } from './setting-info.ts'
import { SettingsError } from './settings-error.ts'
import { unknownSetting } from './unknown-setting.ts'

/** The library's own messages are about its parser. */
const faultTexts: Readonly<Partial<Record<ErrorCode, string>>> = {
  DUPLICATE_KEY: 'this name stands in the file twice',
  TAB_AS_INDENT: 'a line begins with a tab; YAML is indented by spaces',
  BAD_INDENT: 'the line is not indented as its place needs, or a bracket before it is not closed',
  BAD_ALIAS: 'an alias (*name) has no anchor (&name) before it',
  BAD_DQ_ESCAPE: 'a backslash in double quotes begins no known escape; single quotes take it as it is',
  MULTIPLE_DOCS: 'a second document begins here; a trow.yaml is one',
  MISSING_CHAR: 'a sign is missing here: a quote, a bracket, a comma, a colon or a space',
}

/** A trow.yaml, unchanged; each key is the name of a setting. */
export interface SettingsFile {
  readonly values: Readonly<Record<string, unknown>>
  /** `trow.yaml:3:7`: the place of a value; of one that is missing, that of what it should be in. */
  placeOf(path: readonly PropertyKey[]): string
}

/** What the file holds. Throws as `openSettingsFile`. `hint`: where a name is like none that there is. */
export function readSettingsFile(path: string, hint?: string): Readonly<Record<string, unknown>> {
  return openSettingsFile(path, hint).values
}

/** Throws UserError CONFIG_UNREADABLE, and SettingsError with CONFIG_INVALID and CONFIG_UNKNOWN_KEY. */
export function openSettingsFile(path: string, hint?: string): SettingsFile {
  const lines = new LineCounter()
  const placeAt = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${path}:${Math.max(1, line)}:${Math.max(1, col)}`
  }
  const document = parseDocument(textOf(path), { prettyErrors: false, lineCounter: lines })
  const faults = document.errors.map(({ code, pos }) => invalid(`${placeAt(pos[0])}: ${faultText(code)}`))
  if (faults.length > 0) throw new SettingsError(faults)
  const lost = aliasWithoutAnchor(document)
  if (lost !== undefined) throw invalid(`${placeAt(lost)}: ${faultText('BAD_ALIAS')}`)
  const content: unknown = document.toJS() ?? {}
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw invalid(`${placeAt(0)}: the file must hold "name: value" lines`)
  }
  const placeOf: SettingsFile['placeOf'] = (at) => placeAt(offsetOf(document, at))
  const values = Object.fromEntries(Object.entries(content))
  const names = Object.keys(settingInfo)
  const unknown = Object.keys(values).filter((name) => !names.includes(name))
  if (unknown.length > 0)
    throw new SettingsError(
      unknown.map((name) => unknownSetting(name, names, { where: placeAt(keyOffset(document, name)), hint })),
    )
  return { values, placeOf }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UserError('CONFIG_UNREADABLE', `${path} cannot be read: ${plainReason(cause)}`, {
      hint: 'Check the path given with --config.',
      cause,
      exitCode: exitCode.usage,
    })
  }
}

function invalid(message: string): UserError {
  return new UserError('CONFIG_INVALID', message, { exitCode: exitCode.usage })
}

function faultText(code: ErrorCode): string {
  return faultTexts[code] ?? 'this is no YAML: check quotes, brackets, colons and the indent'
}

function aliasWithoutAnchor(document: Document): number | undefined {
  let offset: number | undefined
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return undefined
      offset = alias.range?.[0] ?? 0
      return visit.BREAK
    },
  })
  return offset
}

function offsetOf(document: Document, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth > 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}

function keyOffset(document: Document, name: string): number {
  let offset = 0
  visit(document, {
    Pair: (_, { key }) => {
      if (!isScalar(key) || String(key.value) !== name) return visit.SKIP
      offset = key.range?.[0] ?? 0
      return visit.BREAK
    },
  })
  return offset
}

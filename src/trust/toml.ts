import { parse, TomlError, type TomlTable } from 'smol-toml'

export { TomlError }

export type Toml = Readonly<Record<string, unknown>>

/** Throws TomlError with line and column. */
export function parseToml(text: string): Toml {
  return parse(text, { integersAsBigInt: 'asNeeded' }) satisfies TomlTable as Toml
}

/** Returns the table at a path of keys; an empty one if there is none. */
export function tableAt(table: Toml, ...keys: readonly string[]): Toml {
  let at: Toml = table
  for (const key of keys) {
    const next = Object.hasOwn(at, key) ? at[key] : undefined
    if (!isTable(next)) return {}
    at = next
  }
  return at
}

export function isTable(value: unknown): value is Toml {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** Formats a basic string. JSON's escapes are valid in TOML; only DEL needs one more (TOML 1.0, "String"). */
export function tomlString(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f')
}

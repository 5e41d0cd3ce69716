import type { z } from 'zod'
import { write, type Terminal } from '../streams.ts'
import { isForProgram } from './output.ts'
import type { resultSchemas } from './result-kinds.ts'
import { resultVersion } from './result-version.ts'

type Schemas = typeof resultSchemas

/** The name of a kind of result. */
export type ResultKind = keyof Schemas

/** What a kind has beside `apiVersion` and `kind`. */
export type Result<Kind extends ResultKind> = Readonly<
  Omit<Given<z.infer<Schemas[Kind]>>, 'apiVersion' | 'kind'>
>

/** An item of a list. */
type Item<Kind extends ResultKind> =
  Result<Kind> extends { readonly items: readonly (infer Each)[] } ? Each : never

/** The kinds that are lists. */
type ListKind = {
  [Kind in ResultKind]: Result<Kind> extends { readonly items: readonly unknown[] } ? Kind : never
}[ResultKind]

type Given<Type> = Type extends readonly (infer Item)[]
  ? readonly Given<Item>[]
  : Type extends object
    ? { readonly [Name in keyof Type]: Given<Type[Name]> }
    : Type

/** Returns the terminal for text. Where a program reads the output, text that would be on stdout is on stderr. */
export function textTerminal(terminal: Terminal, output: string): Terminal {
  return isForProgram(output) ? { ...terminal, stdout: terminal.stderr } : terminal
}

/** Prints one result as JSON or YAML. Members that are undefined are left out. */
export async function printResult<Kind extends ResultKind>(
  kind: Kind,
  result: Result<Kind>,
  output: string,
  terminal: Terminal,
): Promise<void> {
  return printObject({ apiVersion: resultVersion, kind, ...result }, output, terminal)
}

/** Prints an object whose form belongs to others, such as a CloudEvent, as JSON or YAML. */
export async function printObject(
  object: object,
  output: string,
  { exact: { stdout } }: Terminal,
): Promise<void> {
  if (output === 'jsonl') return write(stdout, `${JSON.stringify(object)}\n`)
  if (output === 'json') return write(stdout, `${JSON.stringify(object, undefined, 2)}\n`)
  return write(stdout, await yamlText(object))
}

export async function yamlText(value: object): Promise<string> {
  const { stringify } = await import('yaml')
  // kubectl reads YAML 1.1, where off is a boolean; a digest stays on its line.
  return stringify(value, { aliasDuplicateObjects: false, version: '1.1', lineWidth: 0 })
}

/** Prints one result on a line, as `-o jsonl` has it. */
export function printLine<Kind extends ResultKind>(
  kind: Kind,
  result: Result<Kind>,
  terminal: Terminal,
): Promise<void> {
  return printResult(kind, result, 'jsonl', terminal)
}

/** Prints what `-o name` has of a list: one name a line. */
export async function printNames(names: Iterable<string>, { stdout }: Terminal): Promise<void> {
  for (const name of names) await write(stdout, `${name}\n`)
}

/**
 * Prints a list for programs, as JSON, YAML, JSON lines or names. With `-o jsonl` each item is a result of the kind
 * without `List`.
 */
export async function printList<Kind extends ListKind>(
  kind: Kind,
  items: readonly Item<Kind>[],
  {
    output,
    terminal,
    nameOf,
  }: {
    readonly output: string
    readonly terminal: Terminal
    readonly nameOf?: (item: Item<Kind>) => string
  },
): Promise<void> {
  if (output === 'name' && nameOf !== undefined) return printNames(items.map(nameOf), terminal)
  if (output !== 'jsonl') return printResult(kind, { items } as unknown as Result<Kind>, output, terminal)
  for (const item of items) {
    const line = { apiVersion: resultVersion, kind: kind.replace(/List$/, ''), ...(item as object) }
    await write(terminal.exact.stdout, `${JSON.stringify(line)}\n`)
  }
}

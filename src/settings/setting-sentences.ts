import type { z } from 'zod'

/** What each type of the schema is called in a trow.yaml. */
const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'on or off',
  array: 'a list',
  object: '"name: value" lines',
  record: '"name: value" lines',
}

/** A sentence about the value, for issues whose schema has none of its own. */
export function settingSentence(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return absence(issue.input) ?? `must be ${wordOf(issue.expected)}`
    case 'invalid_value':
      return `must be ${either(issue.values.map(String))}`
    case 'unrecognized_keys':
      return `has no field ${issue.keys.map((key) => `"${key}"`).join(', ')}`
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? 'is empty'
        : `must be at least ${issue.minimum}`
    case 'too_big':
      return `must be at most ${issue.maximum}`
    case 'invalid_union':
      return absence(issue.input) ?? unionSentence(issue.errors)
    case 'invalid_format':
    case 'invalid_key':
    case 'invalid_element':
    case 'not_multiple_of':
    case 'custom':
      return 'cannot be used'
  }
}

function absence(value: unknown): string | undefined {
  if (value === undefined) return 'is missing'
  return value === null ? 'has no value' : undefined
}

/** Each way to write the value has its issues; those inside the value tell more than those about its type. */
function unionSentence(ways: readonly (readonly z.core.$ZodIssue[])[]): string {
  const issues = ways.flatMap((way) => way.slice(0, 1))
  const [inside] = issues.filter(({ path }) => path.length > 0)
  if (inside !== undefined) return `${printPath(inside.path)} ${inside.message}`
  const types = issues.flatMap((issue) => (issue.code === 'invalid_type' ? [wordOf(issue.expected)] : []))
  return types.length === 0 ? (issues[0]?.message ?? 'cannot be used') : `must be ${either(types)}`
}

function wordOf(type: string): string {
  return typeWords[type] ?? type
}

function either(words: readonly string[]): string {
  const last = words.at(-1) ?? ''
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`
}

/** `access[0].who`. */
export function printPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) =>
      typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`,
    )
    .join('')
}

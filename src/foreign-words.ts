import type { z } from 'zod'

/** What a value of each type is called. */
const typeWords: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}

const formatWords: Readonly<Record<string, string>> = { datetime: 'a time', url: 'a URL' }

/**
 * Says what is wrong with a value in JSON of another program, for issues whose schema has no words of its own:
 * `is not text`. The words never repeat the value. They may name a field that nobody expects.
 */
export function foreignWords(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return absence(issue.input) ?? `is not ${wordOf(issue.expected)}`
    case 'invalid_value':
      return (
        absence(issue.input) ?? `is not ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`
      )
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array' ? 'is too short' : 'is too small'
    case 'too_big':
      return issue.origin === 'string' || issue.origin === 'array' ? 'is too long' : 'is too large'
    case 'invalid_format':
      return issue.format in formatWords ? `is not ${formatWords[issue.format]}` : 'has another form'
    case 'invalid_union':
      return absence(issue.input) ?? 'has another form'
    case 'unrecognized_keys':
      return `has a field that is not known: ${(issue.keys[0] ?? '').slice(0, 100)}`
    case 'invalid_key':
    case 'invalid_element':
    case 'not_multiple_of':
    case 'custom':
      return 'cannot be used'
  }
}

function absence(value: unknown): string | undefined {
  if (value === undefined) return 'is missing'
  return value === null ? 'is null' : undefined
}

function wordOf(type: string): string {
  return typeWords[type] ?? type
}

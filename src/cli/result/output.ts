import { Option } from 'commander'

/** What a command can print; `text` and its relatives are for people. */
export const outputs = ['text', 'table', 'wide', 'short', 'json', 'yaml', 'jsonl', 'name'] as const
export type Output = (typeof outputs)[number]

/** Returns the option `-o`; without it the first of these is printed. */
export function outputOption(...given: readonly [Output, ...Output[]]): Option {
  return new Option('-o, --output <format>', given.join(', ')).choices(given).default(given[0])
}

/** Results of one object. */
export const objectOutputs = ['text', 'json', 'yaml'] as const
/** Results that are a list. */
export const listOutputs = ['text', 'json', 'yaml', 'jsonl', 'name'] as const

/** Returns whether a program reads the output. Then nothing is drawn, and errors are JSON too. */
export function isForProgram(output: string | undefined): boolean {
  return output === 'json' || output === 'yaml' || output === 'jsonl'
}

/** Finds `-o` in a command line that was not parsed, or could not be. */
export function outputIn(args: readonly string[]): string | undefined {
  const end = args.indexOf('--')
  const before = end < 0 ? args : args.slice(0, end)
  const place = before.findLastIndex((arg) => /^(-o|--output)(?![a-z-])|^-o[a-z]/.test(arg))
  const arg = before[place]
  if (arg === undefined) return undefined
  return arg === '-o' || arg === '--output' ? before[place + 1] : arg.replace(/^(-o|--output=)/, '')
}

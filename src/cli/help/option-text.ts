import type { Argument, Option } from 'commander'

/** What a help and a page say of an option or an argument. */
export interface OptionText {
  /** Without its default. */
  readonly description: string
  /** For people: `5m`, or `the current context`. */
  readonly fallback: string | undefined
  /** Empty if the description or the flag names them. */
  readonly choices: readonly string[]
}

/** A space at which no line ends. */
export const noBreak = '\u00a0'

/** `(default: …)` at the end of a description is a default that is no plain value. */
const written = /^(.*?)\s*\(default: (.*)\)$/s

/** The default of commander is a value; a description can name another one in words. */
export function optionText(option: Option | Argument): OptionText {
  const [, text = option.description, words] = written.exec(option.description) ?? []
  const choices = option.argChoices ?? []
  const flags = 'flags' in option ? option.flags : ''
  const areNamed = choices.every((choice) => new RegExp(`(^|\\W)${choice}(\\W|$)`).test(`${flags} ${text}`))
  return {
    description: text,
    fallback: words ?? option.defaultValueDescription ?? plainValue(option.defaultValue),
    choices: areNamed ? [] : choices,
  }
}

/** Returns the description as a help prints it. */
export function printOptionText(option: Option | Argument): string {
  const { description, fallback, choices } = optionText(option)
  const facts = [
    ...(choices.length === 0 ? [] : [`one of ${choices.join(', ')}`]),
    ...(fallback === undefined ? [] : [`default:${noBreak}${fallback}`]),
  ]
  return [description, ...(facts.length === 0 ? [] : [`(${facts.join('; ')})`])].join(' ').trim()
}

/** A switch that is off, or an empty list, is no default to tell. */
function plainValue(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

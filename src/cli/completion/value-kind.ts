import type { Argument, Command, Option } from 'commander'

/** What can stand at a place of a command line. Contexts and references are asked for when they are completed. */
export type ValueKind =
  | { readonly kind: 'choices'; readonly choices: readonly string[] }
  | { readonly kind: 'file' | 'context' | 'reference' | 'nothing' }

/** Returns what the value of an option is; `undefined` for a switch. */
export function valueOfOption(option: Option): ValueKind | undefined {
  if (!option.required && !option.optional) return undefined
  const [, value = ''] = /[<[](.*?)(?:\.\.\.)?[>\]]$/.exec(option.flags) ?? []
  if (option.argChoices !== undefined) return { kind: 'choices', choices: option.argChoices }
  if (value.includes('|')) return { kind: 'choices', choices: value.split('|') }
  if (value === 'file' || value === 'folder') return { kind: 'file' }
  return { kind: option.long === '--context' ? 'context' : 'nothing' }
}

/** Arguments that are files, by their names. */
const files = ['file', 'files', 'image']

/** Returns what stands after a command: the command below it, or its first argument. */
export function valueAfter(command: Command): ValueKind {
  const names = command.commands.map((child) => child.name())
  return names.length > 0
    ? { kind: 'choices', choices: names }
    : valueOfArgument(command.registeredArguments[0])
}

function valueOfArgument(argument: Argument | undefined): ValueKind {
  if (argument?.argChoices !== undefined) return { kind: 'choices', choices: argument.argChoices }
  if (/\bREPOSITORY\b/.test(argument?.description ?? '')) return { kind: 'reference' }
  return { kind: files.includes(argument?.name() ?? '') ? 'file' : 'nothing' }
}

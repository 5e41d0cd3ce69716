import type { Command } from 'commander'
import { nearestName } from '../../settings/nearest-name.ts'

/**
 * Returns the command or the option that was probably meant in a command line that commander refuses with
 * `message`. Undefined: nothing is near, or the message is about something else.
 */
export function nearestWord(message: string, command: Command): string | undefined {
  // commander gives the wrong word nowhere but in its message.
  const [, kind, word = ''] = /^error: unknown (command|option) '(.*)'\s*$/s.exec(message) ?? []
  if (kind === 'command') return nearestName(word, commandNames(command))
  if (kind === undefined || !word.startsWith('--')) return undefined
  const [name = ''] = word.slice(2).split('=')
  const nearest = nearestName(name, optionNames(command))
  return nearest === undefined ? undefined : `--${nearest}`
}

function commandNames(command: Command): readonly string[] {
  const shown = command.createHelp().visibleCommands(command)
  return shown.flatMap((child) => [child.name(), ...child.aliases()])
}

/** The long names of the options of a command and of those above it, without dashes. */
function optionNames(command: Command | null): readonly string[] {
  if (command === null) return []
  const shown = command.createHelp().visibleOptions(command)
  return [...shown.flatMap(({ long }) => long?.slice(2) ?? []), ...optionNames(command.parent)]
}

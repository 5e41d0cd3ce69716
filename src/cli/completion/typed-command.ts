import type { Command } from 'commander'

/** A command as it is typed: `serve`, or `rotate` of `ca`. */
export interface TypedCommand {
  readonly command: Command
  readonly group: Command | undefined
  /** Each way to type it. */
  readonly words: readonly string[]
}

/** Returns all commands but those below a command of a group. */
export function typedCommands(program: Command): readonly TypedCommand[] {
  return program.commands.flatMap((command) => [
    { command, group: undefined, words: [command.name(), ...command.aliases()] },
    ...command.commands.map((child) => ({
      command: child,
      group: command,
      words: [`${command.name()} ${child.name()}`],
    })),
  ])
}

/** Returns the commands that only contain others. */
export function groupsOf(program: Command): readonly Command[] {
  return program.commands.filter(({ commands }) => commands.length > 0)
}

export function namesOf({ commands }: Command): readonly string[] {
  return commands.map((command) => command.name())
}

/** Quotes and brackets have a meaning in the scripts. */
export function plain(text: string): string {
  return text.replaceAll(/['"`$\\[\]:]/g, (sign) => (sign === ':' ? ' -' : ''))
}

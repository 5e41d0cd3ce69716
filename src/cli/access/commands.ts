import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { authCommand } from './auth-command.ts'
import { robotCommand } from './robot-command.ts'
import { userCommand } from './user-command.ts'

/** Commands about users and their rights. */
export function accessCommands(context: CommandContext): Command[] {
  return [userCommand(context), robotCommand(context), authCommand(context)]
}

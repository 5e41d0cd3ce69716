import { Command } from 'commander'
import type { CommandContext } from '../program.ts'
import { saveCommand } from './save-command.ts'

export function imageCommand(context: CommandContext): Command {
  const command = new Command('image').description("trow's own image: save, load, push")
  command.addCommand(saveCommand(context))
  return command
}

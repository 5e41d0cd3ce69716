import { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { loadCommand } from './load-command.ts'
import { pushCommand } from './push-command.ts'
import { saveCommand } from './save-command.ts'

export function imageCommand(context: CommandContext): Command {
  const command = new Command('image').description("trow's own image: save, load, push")
  command.addCommand(saveCommand(context))
  command.addCommand(loadCommand(context))
  command.addCommand(pushCommand(context))
  return command
}

import { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { loadCommand } from './load-command.ts'
import { pushCommand } from './push-command.ts'
import { saveCommand } from './save-command.ts'
import { examples } from '../help/examples.ts'

export function imageCommand(context: CommandContext): Command {
  const command = new Command('image')
    .description("save, load and push trow's own image")
    .addHelpText(
      ...examples('trow image save trow.tar', 'trow image load', 'trow image push registry.example.com/trow'),
    )
  command.addCommand(saveCommand(context))
  command.addCommand(loadCommand(context))
  command.addCommand(pushCommand(context))
  return command
}

import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { backupCommand } from './backup-command.ts'
import { fsckCommand } from './fsck-command.ts'
import { gcCommand } from './gc-command.ts'
import { restoreCommand } from './restore-command.ts'

/** Commands on a data folder: through its server if one runs, otherwise on the folder itself. */
export function maintenanceCommands(context: CommandContext): Command[] {
  return [gcCommand(context), fsckCommand(context), backupCommand(context), restoreCommand(context)]
}

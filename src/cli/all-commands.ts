import { accessCommands } from './access/commands.ts'
import { auditCommand } from './audit/commands.ts'
import { connectCommand } from './connect/command.ts'
import { completionCommand } from './completion.ts'
import { loginCommand, logoutCommand } from './login/command.ts'
import { maintenanceCommands } from './maintenance/commands.ts'
import { pushCommand } from './push/command.ts'
import { inspectCommand } from './registry/inspect.ts'
import { listCommand } from './registry/list.ts'
import { removeCommand } from './registry/remove.ts'
import { serveCommand } from './serve/command.ts'
import { trustNodeCommand } from './trust/node-command.ts'
import { trustDockerCommand } from './trust/docker-command.ts'
import { versionCommand } from './version.ts'
import type { CommandMaker } from './program.ts'

export const allCommands: CommandMaker = (context, program) => [
  serveCommand(context),
  pushCommand(context),
  connectCommand(context),
  listCommand(context),
  inspectCommand(context),
  removeCommand(context),
  trustNodeCommand(context),
  ...accessCommands(context),
  loginCommand(context),
  logoutCommand(context),
  trustDockerCommand(context),
  ...maintenanceCommands(context),
  auditCommand(context),
  versionCommand(context),
  completionCommand(context, program),
]

import { accessCommands } from './access/commands.ts'
import { auditCommand } from './audit/commands.ts'
import { caCommand } from './ca/commands.ts'
import { completionCommand } from './completion.ts'
import { connectCommand } from './connect/command.ts'
import { imageCommand } from './image/commands.ts'
import { installCommand } from './install/command.ts'
import { uninstallCommand } from './install/uninstall-command.ts'
import { loginCommand, logoutCommand } from './login/command.ts'
import { maintenanceCommands } from './maintenance/commands.ts'
import type { CommandMaker } from './program.ts'
import { pushCommand } from './push/command.ts'
import { inspectCommand } from './registry/inspect.ts'
import { listCommand } from './registry/list.ts'
import { removeCommand } from './registry/remove.ts'
import { serveCommand } from './serve/command.ts'
import { statusCommand } from './status/command.ts'
import { trustDockerCommand } from './trust/docker-command.ts'
import { trustNodeCommand } from './trust/node-command.ts'
import { versionCommand } from './version.ts'

/** In the order in which a person meets them. */
export const allCommands: CommandMaker = (context, program) => [
  serveCommand(context),
  installCommand(context),
  uninstallCommand(context),
  statusCommand(context),
  trustNodeCommand(context),
  trustDockerCommand(context),
  connectCommand(context),
  loginCommand(context),
  logoutCommand(context),
  pushCommand(context),
  listCommand(context),
  inspectCommand(context),
  removeCommand(context),
  caCommand(context),
  imageCommand(context),
  auditCommand(context),
  ...accessCommands(context),
  ...maintenanceCommands(context),
  versionCommand(context),
  completionCommand(context, program),
]

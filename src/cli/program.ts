import { Chalk } from 'chalk'
import { Command, CommanderError } from 'commander'
import { exitCode, UserError } from '../user-error.ts'
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
import { pushCommand } from './push/command.ts'
import { inspectCommand } from './registry/inspect.ts'
import { listCommand } from './registry/list.ts'
import { removeCommand } from './registry/remove.ts'
import { serveCommand } from './serve/command.ts'
import { statusCommand } from './status/command.ts'
import type { Terminal } from './streams.ts'
import { trustDockerCommand } from './trust/docker-command.ts'
import { trustNodeCommand } from './trust/node-command.ts'
import { versionCommand } from './version.ts'

/** What a command is made with; its action sets the exit code of the run. */
export interface CommandContext {
  readonly terminal: Terminal
  /** To be called by the action with its result. */
  finish(code: number): void
}

/** Builds the whole command tree. */
export function createProgram(context: CommandContext): Command {
  const program = new Command('trow')
    .description('An OCI registry for Kubernetes clusters, and the command line that puts it there')
    .showHelpAfterError('(trow --help lists the commands)')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.terminal.stdout.write(text),
      writeErr: (text) => void context.terminal.stderr.write(text.replace(/^error: /, 'trow: ')),
    })
  const commands = [
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
    completionCommand(context, () => program),
  ]
  for (const command of commands) program.addCommand(inherit(command, program))
  return program
}

/** Runs one command line and returns its exit code. Errors are printed, never thrown. */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  let code = 0
  const program = createProgram({ terminal, finish: (result) => (code = result) })
  if (args.length === 0) {
    terminal.stderr.write(program.helpInformation())
    return exitCode.usage
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    return report(error, terminal)
  }
}

function inherit(command: Command, program: Command): Command {
  command.copyInheritedSettings(program)
  for (const child of command.commands) inherit(child, command)
  return command
}

function report(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCode.usage
  if (error instanceof UserError) {
    const { red, dim } = new Chalk({ level: terminal.stderr.isTTY === true ? 1 : 0 })
    terminal.stderr.write(`${red('trow:')} ${error.message} ${dim(`(${error.code})`)}\n`)
    if (error.hint !== undefined) terminal.stderr.write(`  ${error.hint}\n`)
    return error.exitCode
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  terminal.stderr.write(`trow: ${message}\n`)
  if (terminal.env['TROW_LOG_LEVEL'] === 'debug') terminal.stderr.write(`${stack}\n`)
  else terminal.stderr.write('  This is a bug; TROW_LOG_LEVEL=debug shows where.\n')
  return exitCode.failed
}

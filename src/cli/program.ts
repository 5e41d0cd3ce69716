import { Command, CommanderError } from 'commander'
import { reasonOf, stackOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import type { CommandContext, CommandMaker } from './command-context.ts'
import { loadCommands } from './command-table.ts'
import { colorsOf } from './display.ts'
import { terminalOf, type ProcessTerminal, type Terminal } from './streams.ts'
import { trowVersion } from './version.ts'
import { visibleLine } from '../visible-text.ts'

/** Builds a command tree. */
function createProgram(context: CommandContext, make: CommandMaker): Command {
  const program = new Command('trow')
    .description('An OCI registry for Kubernetes clusters, and the command line that puts it there')
    .version(trowVersion(), '-V, --version', 'print the version')
    .showHelpAfterError('(trow --help lists the commands)')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.terminal.stdout.write(text),
      writeErr: (text) => void context.terminal.stderr.write(text.replace(/^error: /, 'trow: ')),
    })
  for (const command of make(context, () => program)) program.addCommand(inherit(command, program))
  return program
}

/** Runs one command line and returns its exit code. Errors are printed, never thrown. */
export async function run(args: readonly string[], given: ProcessTerminal): Promise<number> {
  const terminal = terminalOf(given)
  let code = 0
  const make = await loadCommands(args[0])
  const program = createProgram({ terminal, finish: (result) => (code = result) }, make)
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
    const { red, dim } = colorsOf(terminal.stderr, terminal.env)
    terminal.stderr.write(`${red('trow:')} ${visibleLine(error.message)} ${dim(`(${error.code})`)}\n`)
    if (error.hint !== undefined) terminal.stderr.write(`  ${error.hint}\n`)
    return error.exitCode
  }
  terminal.stderr.write(`trow: ${visibleLine(reasonOf(error))}\n`)
  if (terminal.env['TROW_LOG_LEVEL'] === 'debug') terminal.stderr.write(`${stackOf(error)}\n`)
  else terminal.stderr.write('  This is a bug; TROW_LOG_LEVEL=debug shows where.\n')
  return exitCode.failed
}

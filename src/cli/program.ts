import { Readable, Writable } from 'node:stream'
import { Command, CommanderError } from 'commander'
import { reasonOf, stackOf } from '../reason-of.ts'
import { exitCode, UserError } from '../user-error.ts'
import type { CommandContext, CommandMaker } from './command-context.ts'
import { isCommand, loadCommands } from './command-table.ts'
import { colorsOf, widthOf } from './display.ts'
import { nearestWord } from './help/nearest-word.ts'
import { helpLayout, pathOf, widestHelp } from './help/help-layout.ts'
import { dropNotes, notesOf, printNotes } from './help/help-notes.ts'
import { withPlace } from './help/placed-hint.ts'
import { groupOptions } from './help/option-groups.ts'
import { isForProgram, outputIn } from './result/output.ts'
import { printErrorResult } from './result/error-result.ts'
import { terminalOf, type ProcessTerminal, type Terminal } from './streams.ts'
import { trowVersion } from './version.ts'
import { printUserError } from './user-error-text.ts'
import { visibleLine } from '../visible-text.ts'

const helpCommandText = 'print the help of a command'

/** What is done with words about a wrong command line. */
interface WrongUsage {
  /** Prints what commander says of it. */
  readonly writeErr: (text: string) => void
  /** Gets the command or the option that was probably meant. */
  readonly onGuess: (nearest: string) => void
}

/** Builds a command tree. */
function createProgram(
  context: CommandContext,
  make: CommandMaker,
  { writeErr, onGuess }: WrongUsage,
): Command {
  const program = new Command('trow')
    .description('An OCI registry for Kubernetes clusters, and the command line that puts it there')
    .usage('[options] <command>')
    .addHelpText(
      'after',
      `
Examples:
  trow serve      # a registry on this machine
  trow install    # one in the cluster of the kube context
  trow push app:1 team/app:1
  trow list

"trow COMMAND --help" prints the options of a command, with examples.`,
    )
    .version(trowVersion(), '-V, --version', 'print the version')
    .showHelpAfterError('(trow --help lists the commands)')
    .showSuggestionAfterError(false)
    .exitOverride()
    .helpOption('-h, --help', 'print this help')
    .configureHelp(helpLayout(colorsOf(context.terminal.stdout, context.terminal.env)))
    .configureOutput({
      getOutHelpWidth: () => helpWidthOf(context.terminal.stdout),
      getErrHelpWidth: () => helpWidthOf(context.terminal.stderr),
      writeOut: (text) => void context.terminal.stdout.write(text),
      writeErr,
    })
  fitNotes(program)
  guessNearest(program, onGuess)
  for (const command of make(context, () => program)) {
    program.addCommand(command)
    inherit(command, program, onGuess)
  }
  return program.addHelpCommand(
    new Command('help')
      .argument('[command]')
      .description(helpCommandText)
      .helpOption(false)
      .helpGroup('More:'),
  )
}

/** Returns the command tree for who only reads it: all commands, or the one that the command line names. */
export async function programOf(args: readonly string[]): Promise<Command> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = terminalOf({
    stdin: Readable.from([]),
    stdout: nowhere,
    stderr: nowhere,
    env: {},
    cwd: '/',
    onStop: () => () => {},
  })
  return createProgram({ terminal, finish() {} }, await loadCommands(args[0]), {
    writeErr: () => {},
    onGuess: () => {},
  })
}

/** Runs one command line and returns its exit code. Errors are printed, never thrown. */
export async function run(args: readonly string[], given: ProcessTerminal): Promise<number> {
  const terminal = terminalOf(given)
  let code = 0
  const make = await loadCommands(args[0])
  const isProgram = isForProgram(outputIn(args))
  const writeErr = (text: string): void => {
    if (!isProgram) terminal.stderr.write(text.replace(/^error: /, 'trow: '))
  }
  let guess: string | undefined
  const onGuess = (nearest: string): void => void (guess = nearest)
  const finish = (result: number): void => void (code = result)
  const program = createProgram({ terminal, finish }, make, { writeErr, onGuess })
  if (args.length === 0) {
    terminal.stderr.write(program.helpInformation())
    return exitCode.usage
  }
  let acting: Command | undefined
  program.hook('preAction', (_, command) => void (acting = command))
  try {
    await program.parseAsync(helpTarget(args, program), { from: 'user' })
    return code
  } catch (error) {
    const told = await withPlace(error, acting, findCommand)
    return isProgram ? reportJson(told, terminal, guess) : report(told, terminal)
  }
}

async function findCommand(name: string): Promise<Command | undefined> {
  if (!isCommand(name)) return undefined
  const { commands } = await programOf([name])
  return commands.find((command) => command.name() === name || command.aliases().includes(name))
}

/** `help nope` is the mistake `nope`: commander would print the help of the command above it, and end with 0. */
function helpTarget(args: readonly string[], program: Command): string[] {
  const at = args.indexOf('help')
  const wanted = at < 0 ? undefined : args[at + 1]
  const before = args.slice(0, Math.max(0, at))
  let command: Command | undefined = program
  for (const word of before) command = command?.commands.find((child) => child.name() === word)
  const { commands = [] } = command ?? {}
  if (wanted === undefined || wanted.startsWith('-') || commands.length === 0) return [...args]
  const isKnown = commands.some((child) => child.name() === wanted || child.aliases().includes(wanted))
  return isKnown ? [...args] : [...before, wanted]
}

function helpWidthOf(stream: Terminal['stdout']): number {
  return Math.min(widthOf(stream) ?? 80, widestHelp)
}

/** Gives a command and those below it the settings of the program and the form of its help. */
function inherit(command: Command, program: Command, onGuess: WrongUsage['onGuess']): Command {
  command.copyInheritedSettings(program)
  command.showHelpAfterError(`(${pathOf(command)} --help prints how it is used)`)
  groupOptions(command)
  fitNotes(command)
  guessNearest(command, onGuess)
  if (command.commands.length > 0) command.helpCommand('help [command]', helpCommandText)
  for (const child of command.commands) inherit(child, command, onGuess)
  return command
}

/** Has a wrong command or option answered by the nearest one; commander's own guesses are far off for short words. */
function guessNearest(command: Command, onGuess: WrongUsage['onGuess']): void {
  command.configureOutput({
    outputError(message, write) {
      const nearest = nearestWord(message, command)
      if (nearest !== undefined) onGuess(nearest)
      write(nearest === undefined ? message : `${message}(Did you mean ${nearest}?)\n`)
    },
  })
}

/** Has what stands below the options fit the terminal, as the rest of the help does. */
function fitNotes(command: Command): void {
  const notes = notesOf(command)
  if (notes.length === 0) return
  dropNotes(command)
  command.addHelpText('after', ({ error }) => {
    const { getErrHelpWidth, getOutHelpWidth } = command.configureOutput()
    const width = (error ? getErrHelpWidth : getOutHelpWidth)?.() ?? 80
    return printNotes(notes, width, (title) => command.createHelp().styleTitle(title))
  })
}

/** Where a program reads the output, the error is one line of JSON. */
function reportJson(error: unknown, terminal: Terminal, guess: string | undefined): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0
  const told =
    error instanceof CommanderError
      ? new UserError('USAGE_INVALID', error.message.replace(/^error: /, ''), {
          ...(guess !== undefined && { hint: `Did you mean ${guess}?` }),
          exitCode: exitCode.usage,
        })
      : error instanceof UserError
        ? error
        : new UserError('UNEXPECTED', reasonOf(error), {
            hint: 'This is a bug; TROW_LOG_LEVEL=debug shows where.',
            cause: error,
          })
  if (told.code === 'UNEXPECTED' && terminal.env['TROW_LOG_LEVEL'] === 'debug')
    terminal.stderr.write(`${stackOf(error)}\n`)
  printErrorResult(told, terminal)
  return told.exitCode
}

function report(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCode.usage
  if (error instanceof UserError) {
    printUserError(error, terminal)
    return error.exitCode
  }
  terminal.stderr.write(`trow: ${visibleLine(reasonOf(error))}\n`)
  if (terminal.env['TROW_LOG_LEVEL'] === 'debug') terminal.stderr.write(`${stackOf(error)}\n`)
  else terminal.stderr.write('  This is a bug; TROW_LOG_LEVEL=debug shows where.\n')
  return exitCode.failed
}

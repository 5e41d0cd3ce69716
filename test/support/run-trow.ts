import { PassThrough } from 'node:stream'
import { run } from '../../src/cli/program.ts'

export interface RunningCommand {
  /** What it has printed so far. */
  stdout(): string
  stderr(): string
  /** It would be told of a signal, instead of ending at once. */
  readonly listens: boolean
  /** As by Ctrl-C; resolves to its exit code. */
  interrupt(): Promise<number>
  readonly exitCode: Promise<number>
}

interface CommandEnvironment {
  /** Standard output is a terminal. */
  readonly isTty?: boolean
  /** Standard error is a terminal, 120 columns wide. */
  readonly isErrorTty?: boolean
  /** The width of that terminal. */
  readonly columns?: number
  /** Added to a locale with UTF-8. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
}

/** Runs a command line in this process; what it prints is gathered. */
export async function runCommand(
  args: readonly string[],
  environment: CommandEnvironment = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const command = startCommand(args, environment)
  const code = await command.exitCode
  return { code, stdout: command.stdout(), stderr: command.stderr() }
}

/** Like `runCommand`, for those that go on until they are interrupted. */
export function startCommand(
  args: readonly string[],
  { env = {}, input = '', isTty = false, isErrorTty = false, columns }: CommandEnvironment = {},
): RunningCommand {
  const [stdout, stderr] = [collect(), collect()]
  if (isTty || columns !== undefined) Object.assign(stdout.stream, { isTTY: true, columns })
  if (isErrorTty) Object.assign(stderr.stream, { isTTY: true, columns: 120 })
  const stdin = new PassThrough()
  stdin.end(input)
  let stop: ((signal: 'SIGINT') => void) | undefined
  const exitCode = run(args, {
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    env: { LC_ALL: 'C.UTF-8', ...env },
    cwd: process.cwd(),
    onStop(listener) {
      stop = listener
      return () => (stop = undefined)
    },
  })
  return {
    stdout: stdout.text,
    stderr: stderr.text,
    get listens() {
      return stop !== undefined
    },
    interrupt() {
      stop?.('SIGINT')
      return exitCode
    },
    exitCode,
  }
}

function collect(): { readonly stream: PassThrough; text(): string } {
  const stream = new PassThrough()
  let text = ''
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { stream, text: () => text }
}

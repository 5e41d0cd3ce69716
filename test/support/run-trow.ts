import { PassThrough } from 'node:stream'
import { run } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/streams.ts'

/** Runs a command line in this process; what it prints is gathered. */
export async function runCommand(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly input?: string } = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const [stdout, stderr] = [collect(), collect()]
  const stdin = new PassThrough()
  stdin.end(options.input ?? '')
  const terminal: Terminal = {
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    env: options.env ?? {},
    cwd: process.cwd(),
    onStop: () => () => {},
  }
  const code = await run(args, terminal)
  return { code, stdout: stdout.text(), stderr: stderr.text() }
}

function collect(): { readonly stream: PassThrough; text(): string } {
  const stream = new PassThrough()
  let text = ''
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { stream, text: () => text }
}

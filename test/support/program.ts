import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ProgramOptions {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds. */
  readonly timeout?: number
}

export class ProgramError extends Error {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string

  constructor(command: string, result: { code: number | null; stdout: string; stderr: string }) {
    super(`${command}: exit code ${result.code}\n${result.stdout}${result.stderr}`)
    this.code = result.code
    this.stdout = result.stdout
    this.stderr = result.stderr
  }
}

/** Runs a program to its end and returns what it printed; throws ProgramError. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const child = spawn(command, args, {
    env: { ...process.env, ...options.env },
    stdio: 'pipe',
    timeout: options.timeout ?? 120_000,
    killSignal: 'SIGKILL',
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // A program that does not read its input may end before it is written.
  child.stdin.on('error', () => {})
  child.stdin.end(options.stdin ?? '')
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new ProgramError([command, ...args].join(' '), { code, stdout, stderr })
  return stdout
}

/** Tries until it succeeds; after `timeout` milliseconds throws the last failure. */
export async function eventually<T>(attempt: () => Promise<T>, timeout = 60_000): Promise<T> {
  const end = Date.now() + timeout
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > end) throw error
      await sleep(200)
    }
  }
}

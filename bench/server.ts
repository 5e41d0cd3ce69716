import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Target } from './http-connection.ts'
import { HttpConnection } from './http-connection.ts'

export interface Server {
  readonly target: Target
  readonly url: string
  readonly pid: number
  /** The data folder; it outlives the server. */
  readonly folder: string
  /** Seconds from the start of the process until a request was answered. */
  readonly startSeconds: number
  stop(): Promise<void>
}

export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const startLimit = 120_000

/** Starts a program and resolves when `/v2/` answers 200. */
export async function startServer(
  command: Command,
  { port, folder, tls }: { readonly port: number; readonly folder: string; readonly tls: boolean },
): Promise<Server> {
  const begun = performance.now()
  const child = spawn(command.program, command.args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...command.env },
  })
  const exited = once(child, 'close')
  // A bench that is cut off leaves no server behind.
  const kill = (): void => void child.kill('SIGKILL')
  process.on('exit', kill)
  child.once('close', () => process.off('exit', kill))
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4000)))
  const target: Target = { host: '127.0.0.1', port, tls }
  while (!(await answers(target))) {
    if (child.exitCode !== null || performance.now() - begun > startLimit) {
      await end(child, exited)
      throw new Error(`${command.program} did not start:\n${output}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return {
    target,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    pid: child.pid as number,
    folder,
    startSeconds: (performance.now() - begun) / 1000,
    stop: () => end(child, exited),
  }
}

/** Memory of a process in MB: its proportional set, so that shared pages count once, or all that is resident. */
export function residentMegabytes(pid: number, of: 'Pss' | 'Rss' = 'Pss'): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  return (Number(new RegExp(`^${of}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]) * 1024) / 1e6
}

async function answers(target: Target): Promise<boolean> {
  try {
    const connection = await HttpConnection.open(target)
    const answer = await connection.request('GET', '/v2/')
    connection.close()
    // 401: it wants to know who asks.
    return answer.status === 200 || answer.status === 401
  } catch {
    return false
  }
}

async function end(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 5000)
  await exited
  clearTimeout(late)
}

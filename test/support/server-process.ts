import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../bin/trow.js', import.meta.url))

export interface ServerOptions {
  readonly data: string
  /** 127.0.0.1 unless told. */
  readonly address?: string
  /** 0 lets the system choose. */
  readonly port?: number
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Another installation's `bin/trow.js`. */
  readonly program?: string
  /** A module that every thread of the server loads first. */
  readonly preload?: URL
  /** A command that starts another in a place of its own. */
  readonly within?: readonly string[]
}

/** A real `trow serve` in a process of its own. */
export interface ServerProcess {
  readonly url: string
  readonly pid: number
  readonly exited: Promise<void>
  /** SIGKILL, and wait until the process is gone. */
  kill(): Promise<void>
  stop(): Promise<void>
  /** The end of its log, and of its access log where `args` ask for one; whole once it has stopped. */
  output(): string
}

/** Resolves when the server listens, or has already died (`died`): a planned crash may hit its start. */
export async function startServer(
  options: ServerOptions,
): Promise<ServerProcess | { readonly died: string }> {
  const [command, ...before] = [...(options.within ?? []), process.execPath]
  if (command === undefined) throw new Error('there is nothing to run')
  const child = spawn(
    command,
    [
      ...before,
      ...(options.preload ? ['--import', options.preload.href] : []),
      options.program ?? program,
      'serve',
      '--listen',
      `${options.address ?? '127.0.0.1'}:${options.port ?? 0}`,
      '--data',
      options.data,
      '--access-log=off',
      '--log-format',
      'text',
      ...(options.args ?? []),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...userEnvironment(), ...options.env } },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-100_000)
    })
  }
  const exited = once(child, 'close').then(() => undefined)
  const url = await Promise.race([listening(child), exited])
  if (url === undefined) return { died: output }
  return {
    url,
    pid: child.pid ?? 0,
    exited,
    output: () => output,
    kill: () => end(child, 'SIGKILL', exited),
    stop: () => end(child, 'SIGTERM', exited),
  }
}

/** Like `startServer`, for a start that must succeed. */
export async function startedServer(options: ServerOptions): Promise<ServerProcess> {
  const server = await startServer(options)
  if ('died' in server) throw new Error(`trow serve did not start:\n${server.died}`)
  return server
}

/** Runs a trow command to its end. */
export async function runTrow(
  args: readonly string[],
  {
    within = [],
    env = {},
  }: { readonly within?: readonly string[]; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<{ code: number | null; output: string }> {
  const [command, ...before] = [...within, process.execPath, program, ...args]
  if (command === undefined) throw new Error('there is nothing to run')
  const child = spawn(command, before, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...userEnvironment(), ...env },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  }
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, output }
}

/** Without the variables that say how tests run: trow would name them as no settings of its own. */
function userEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TROW_TEST_')))
}

async function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let seen = ''
    const look = (text: string): void => {
      seen += text
      const match = /https?:\/\/(?:[\d.]+|\[[\da-f:]+\]):\d+/.exec(
        seen.slice(Math.max(0, seen.search(/listening/))),
      )
      if (!seen.includes('listening') || !match) return
      child.stderr?.off('data', look)
      resolve(match[0])
    }
    child.stderr?.on('data', look)
  })
}

async function end(child: ChildProcess, signal: NodeJS.Signals, exited: Promise<void>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal)
  await exited
}

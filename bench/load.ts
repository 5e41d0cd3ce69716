import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { manifestType } from './content.ts'
import type { LoadJob, LoadResult } from './load-job.ts'

const client = fileURLToPath(new URL('load-client.ts', import.meta.url))
const wrkScript = fileURLToPath(new URL('wrk.lua', import.meta.url))

/** Runs our own client in a process of its own. Throws where a request failed. */
export async function runLoad(job: LoadJob): Promise<LoadResult> {
  const child = spawn(process.execPath, [client], { stdio: ['pipe', 'pipe', 'inherit'] })
  const late = setTimeout(() => child.kill('SIGKILL'), job.seconds * 1000 + 60_000)
  child.stdin.end(JSON.stringify(job))
  const exited = once(child, 'close')
  const output = await text(child.stdout)
  await exited
  clearTimeout(late)
  const result = JSON.parse(output) as LoadResult
  if (result.errors > 0) throw new Error(`${job.kind}: ${result.errors} failed, first: ${result.firstError}`)
  return result
}

export interface WrkResult {
  readonly requestsPerSecond: number
  readonly megabytesPerSecond: number
}

export interface WrkOptions {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  /** A file of paths, one a line, taken at random; instead of the one in `url`. */
  readonly pathsFile?: string
}

/** Throws where a reply was an error. */
export async function runWrk({ url, connections, seconds, pathsFile }: WrkOptions): Promise<WrkResult> {
  const { stdout } = await promisify(execFile)(
    'wrk',
    [
      '-t2',
      `-c${connections}`,
      `-d${Math.max(1, Math.round(seconds))}s`,
      '--timeout',
      '20s',
      '-H',
      `Accept: ${manifestType}, */*`,
      '-s',
      wrkScript,
      url,
    ],
    { env: { ...process.env, BENCH_PATHS: pathsFile ?? '' }, timeout: seconds * 1000 + 60_000 },
  )
  const json = /BENCH (\{.*\})/.exec(stdout)?.[1]
  if (json === undefined) throw new Error(`wrk said nothing of use:\n${stdout}`)
  const { requests, bytes, microseconds, errors } = JSON.parse(json) as Record<string, number>
  if (errors !== 0) throw new Error(`wrk ${url}: ${errors} errors\n${stdout}`)
  const duration = (microseconds as number) / 1e6
  return {
    requestsPerSecond: (requests as number) / duration,
    megabytesPerSecond: (bytes as number) / 1e6 / duration,
  }
}

/** wrk is a Debian package; root installs it. */
export function requireWrk(): void {
  const folders = (process.env['PATH'] ?? '').split(':')
  if (folders.some((folder) => existsSync(`${folder}/wrk`))) return
  if (process.getuid?.() !== 0) throw new Error('wrk is not installed: apt-get install wrk')
  execFileSync('apt-get', ['install', '-y', 'wrk'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 300_000,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram } from '../../requirements.ts'
import { freePort } from '../free-port.ts'

/** An S3 server of one test file, over a folder of its own, ended by the test. */
export interface S3Process {
  readonly endpoint: string
  readonly pid: number
  stop(): Promise<void>
}

const address = '127.83.3.1'

/** Resolves when the server takes requests. */
export async function startS3Process(
  name: string,
  command: (
    folder: string,
    listen: string,
  ) => { readonly args: readonly string[]; readonly env?: Readonly<Record<string, string>> },
): Promise<S3Process> {
  const program = findProgram(name)
  if (program === undefined) throw new Error(`${name} is not installed`)
  const folder = mkdtempSync(join(tmpdir(), 'trow-s3-'))
  const listen = `${address}:${await freePort(address)}`
  const { args, env } = command(folder, listen)
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-10_000)))
  const exited = once(child, 'close')
  const endpoint = `http://${listen}`
  for (let tries = 0; !(await answers(endpoint)); tries++) {
    if (tries > 600 || child.exitCode !== null) throw new Error(`${name} did not start:\n${output}`)
    await sleep(50)
  }
  return {
    endpoint,
    pid: child.pid ?? 0,
    async stop() {
      child.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A server that is not ready yet answers 503. */
async function answers(endpoint: string): Promise<boolean> {
  try {
    const { status, body } = await fetch(endpoint)
    await body?.cancel()
    return status < 500
  } catch {
    return false
  }
}

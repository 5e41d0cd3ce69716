import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import type { CredentialSource } from '../../src/blobs/s3/credentials/credentials.ts'
import type { S3Location } from '../../src/blobs/s3/s3-location.ts'
import { findProgram } from '../requirements.ts'

/** The keys of the S3 servers that tests start. */
export const s3Keys = {
  kind: 'keys',
  accessKeyId: 'test',
  secretAccessKey: 'testtest',
} as const satisfies CredentialSource

/** As the variables of a process. */
export const s3Env = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'testtest' }

/** A real S3 server, versitygw, over a folder of its own. */
export interface S3Server {
  readonly port: number
  readonly endpoint: string
  readonly pid: number
  /** Makes a bucket. */
  bucket(name: string): void
  /** Where the objects of a bucket are, as files. */
  folderOf(bucket: string): string
  location(bucket: string, prefix?: string): S3Location
  stop(): Promise<void>
}

const address = '127.83.3.1'

export async function startS3Server(): Promise<S3Server> {
  const program = findProgram('versitygw')
  if (program === undefined) throw new Error('versitygw is not installed')
  const root = mkdtempSync(join(tmpdir(), 'trow-s3-'))
  const buckets = join(root, 'buckets')
  mkdirSync(buckets)
  const port = await freePort(address)
  const args = [
    '--access',
    s3Keys.accessKeyId,
    '--secret',
    s3Keys.secretAccessKey,
    '--port',
    `${address}:${port}`,
  ]
  const child = spawn(program, [...args, '--quiet', 'posix', '--sidecar', sidecar(root), buckets], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-10_000)))
  const exited = once(child, 'close')
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries > 200 || child.exitCode !== null) throw new Error(`versitygw did not start:\n${output}`)
    await sleep(50)
  }
  const endpoint = `http://${address}:${port}`
  return {
    port,
    endpoint,
    pid: child.pid ?? 0,
    bucket: (name) => mkdirSync(join(buckets, name)),
    folderOf: (bucket) => join(buckets, bucket),
    location: (bucket, prefix = '') => ({
      endpoint,
      region: 'us-east-1',
      bucket,
      prefix,
      pathStyle: true,
      encryption: undefined,
    }),
    async stop() {
      child.kill('SIGKILL')
      await exited
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** Metadata beside the files, for file systems without extended attributes. */
function sidecar(root: string): string {
  const path = join(root, 'sidecar')
  mkdirSync(path)
  return path
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, address)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

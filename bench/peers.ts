import { execFileSync, type ExecFileSyncOptionsWithStringEncoding } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../test/support/free-port.ts'
import type { Certificate } from './certificate.ts'
import { startServer, type Server } from './server.ts'

/** `before` is another checkout of trow, so that what a change costs is a ratio of one run. */
export type PeerName = 'trow' | 'before' | 'bare-node' | 'distribution'

export interface PeerStart {
  readonly folder: string
  /** Undefined: plain HTTP. */
  readonly certificate: Certificate | undefined
  /** Only trow. */
  readonly args?: readonly string[]
  /** Only trow. */
  readonly env?: Readonly<Record<string, string>>
  /** Only Distribution: where it keeps content, as lines of its `storage`. Undefined: as its example configuration. */
  readonly storage?: string
}

export interface Peer {
  readonly name: PeerName
  version(): string
  start(options: PeerStart): Promise<Server>
}

const distributionVersion = 'v3.1.2'
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** As many as trow takes by default on this machine. */
export function workerCount(cores: number): number {
  return Math.min(cores, 8)
}

export function makePeer(
  name: PeerName,
  {
    workers,
    checkout = here('..'),
    before,
    args = [],
  }: {
    readonly workers: number
    readonly checkout?: string | undefined
    readonly before?: string | undefined
    /** Of the trow that is measured, not of the one before. */
    readonly args?: readonly string[]
  },
): Peer {
  switch (name) {
    case 'trow':
      return trow(name, { workers, checkout, more: args })
    case 'before':
      if (before === undefined) throw new Error('--before FOLDER says which checkout was before')
      return trow(name, { workers, checkout: before, more: [] })
    case 'bare-node':
      return bareNode(workers)
    case 'distribution':
      return distribution()
  }
}

function trow(
  name: PeerName,
  {
    workers,
    checkout,
    more,
  }: { readonly workers: number; readonly checkout: string; readonly more: readonly string[] },
): Peer {
  return {
    name,
    version: () => {
      const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as {
        version: string
      }
      return `${version} (${commitOf(checkout)})`
    },
    async start({ folder, certificate, args = [], env = {} }) {
      const port = await freePort()
      const tls = certificate && ['--tls-cert', certificate.certFile, '--tls-key', certificate.keyFile]
      const isGiven = (option: string): boolean => args.some((arg) => arg.startsWith(option))
      return startServer(
        {
          program: process.execPath,
          args: [
            join(checkout, 'bin', 'trow.js'),
            'serve',
            `--listen=127.0.0.1:${port}`,
            `--data=${folder}`,
            ...(isGiven('--workers') ? [] : [`--workers=${workers}`]),
            ...(isGiven('--access-log') ? [] : ['--access-log=off']),
            ...(tls ?? []),
            ...more,
            ...args,
          ],
          env,
        },
        { port, folder, tls: tls !== undefined },
      )
    },
  }
}

function bareNode(workers: number): Peer {
  return {
    name: 'bare-node',
    version: () => process.version,
    async start({ folder, certificate }) {
      const port = await freePort()
      const tls = certificate && ['--cert', certificate.certFile, '--key', certificate.keyFile]
      return startServer(
        {
          program: process.execPath,
          args: [
            here('bare-node.ts'),
            `--data=${folder}`,
            `--port=${port}`,
            `--workers=${workers}`,
            ...(tls ?? []),
          ],
          env: { UV_THREADPOOL_SIZE: String(Math.max(16, 16 * Math.min(workers, 4))) },
        },
        { port, folder, tls: tls !== undefined },
      )
    },
  }
}

function distribution(): Peer {
  return {
    name: 'distribution',
    version: () => distributionVersion,
    async start({ folder, certificate, storage }) {
      const program = buildDistribution()
      const port = await freePort()
      mkdirSync(folder, { recursive: true })
      const file = join(folder, 'config.yaml')
      const tls =
        certificate === undefined
          ? ''
          : `  tls:\n    certificate: ${certificate.certFile}\n    key: ${certificate.keyFile}\n`
      // Its example configuration, quiet: the errors that a bench makes are ours to print.
      writeFileSync(
        file,
        `version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
${storage ?? `  cache:\n    blobdescriptor: inmemory\n  filesystem:\n    rootdirectory: ${join(folder, 'data')}`}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:${port}
  secret: bench
${tls}`,
      )
      return startServer(
        { program, args: ['serve', file], env: { OTEL_TRACES_EXPORTER: 'none' } },
        { port, folder, tls: certificate !== undefined },
      )
    },
  }
}

/** Built once, outside of the checkout. */
function buildDistribution(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(cache, 'trow-tests', 'go', `registry@${distributionVersion}`)
  const program = join(folder, 'registry')
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  execFileSync(
    'go',
    ['install', `github.com/distribution/distribution/v3/cmd/registry@${distributionVersion}`],
    {
      env: { ...process.env, GOBIN: folder, GOFLAGS: '-buildvcs=false' },
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: 15 * 60_000,
    },
  )
  return program
}

function commitOf(checkout: string): string {
  try {
    const options: ExecFileSyncOptionsWithStringEncoding = {
      cwd: checkout,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }
    const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], options).trim()
    const changed = execFileSync('git', ['status', '--porcelain', '--', 'src', 'bin'], options).trim() !== ''
    return changed ? `${commit}, changed` : commit
  } catch {
    return 'no commit'
  }
}

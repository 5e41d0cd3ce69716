import { hostPort } from '../../host-port.ts'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isLoopback } from '../../loopback.ts'
import type { ConnectionOptions } from './connection.ts'
import { sessionLimits, type Pooler } from './pooler.ts'

/** Which database to connect to, and how. Plain data. */
export interface DatabaseAddress {
  /** Without a password; `sslmode` and `sslrootcert` are the only parameters. */
  readonly url: string
  /** The file that holds the password; undefined: PGPASSFILE (or ~/.pgpass) does, or there is none. */
  readonly passwordFile: string | undefined
  /** What stands between trow and the server; undefined: nothing that matters. */
  readonly pooler?: Pooler | undefined
}

/** Milliseconds. */
const limits = {
  connectionTimeoutMillis: 5000,
  // Later than the server's own limit: only a server that is not heard of any more meets it.
  query_timeout: 15_000,
}

/** Returns the options of one new connection: files are read again each time. */
export function connectOptions(address: DatabaseAddress): ConnectionOptions {
  const { host, port, user, database, tls } = partsOf(address)
  const { passwordFile, pooler } = address
  return {
    ...limits,
    ...(pooler === undefined && sessionLimits),
    pooler,
    host,
    port,
    user,
    database,
    ssl: tls === undefined ? false : tlsOptions(tls),
    application_name: 'trow',
    ...(passwordFile !== undefined && { password: () => readPassword(passwordFile) }),
  }
}

/** `host:port`, for people. */
export function placeOf(address: DatabaseAddress): string {
  const { host, port } = partsOf(address)
  return hostPort(host, port)
}

export function databaseOf(address: DatabaseAddress): { readonly user: string; readonly database: string } {
  return partsOf(address)
}

/** Rejects when the file cannot be read. */
export async function readPassword(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
}

interface Tls {
  readonly mode: 'require' | 'verify-ca' | 'verify-full'
  readonly root: string | undefined
}

interface Parts {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly tls: Tls | undefined
}

function partsOf({ url: text }: DatabaseAddress): Parts {
  const url = new URL(text)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const mode = url.searchParams.get('sslmode') ?? (isLoopback(host) ? 'disable' : 'verify-full')
  return {
    host,
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    database: decodeURIComponent(url.pathname.slice(1)),
    tls:
      mode === 'disable'
        ? undefined
        : { mode: mode as Tls['mode'], root: url.searchParams.get('sslrootcert') ?? undefined },
  }
}

/** As libpq: `require` with a root certificate checks the server's certificate, but not its name. */
function tlsOptions({ mode, root }: Tls): NonNullable<ConnectionOptions['ssl']> {
  const ca = root === undefined ? {} : { ca: readFileSync(root, 'utf8') }
  if (mode === 'verify-full') return { ...ca, rejectUnauthorized: true }
  if (mode === 'require' && root === undefined) return { rejectUnauthorized: false }
  return { ...ca, rejectUnauthorized: true, checkServerIdentity: () => undefined }
}

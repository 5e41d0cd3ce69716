import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from './free-port.ts'
import { findProgram } from '../requirements.ts'

/** A PostgreSQL server of one test file: on loopback, in a folder of its own, ended by the test. */
export class PostgresServer {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly folder: string
  #process: ChildProcess | undefined
  readonly #options: readonly string[]

  private constructor(folder: string, port: number, options: readonly string[]) {
    this.folder = folder
    this.port = port
    this.#options = options
  }

  /**
   * `options`: settings of the server, as `name=value`. fsync is on unless they say otherwise. `files` are put
   * into its data folder, for its eyes only.
   */
  static async start(
    options: readonly string[] = [],
    files: Readonly<Record<string, string>> = {},
  ): Promise<PostgresServer> {
    const folder = newFolder()
    const { uid, gid } = owner()
    const initdb = [
      '-D',
      join(folder, 'data'),
      '-U',
      'postgres',
      '--auth=trust',
      '-E',
      'UTF8',
      '--locale=C',
      '-N',
    ]
    execFileSync(program('initdb'), initdb, { ...owner(), cwd: folder, stdio: 'pipe' })
    const server = new PostgresServer(folder, await freePort(), options)
    for (const [name, text] of Object.entries(files)) {
      const path = join(server.dataFolder, name)
      writeFileSync(path, text, { mode: 0o600 })
      if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
    }
    await server.begin()
    return server
  }

  /**
   * An asynchronous standby of this server. `port`: where it finds this server, if not directly; what it has not been
   * sent yet is kept for it as long as its replication slot stands.
   */
  async standby(port = this.port): Promise<PostgresServer> {
    const folder = newFolder()
    const slot = `standby_${randomBytes(6).toString('hex')}`
    const source = `host=${this.host} port=${port} user=postgres`
    const args = ['-d', source, '-D', join(folder, 'data'), '-R', '-C', '-S', slot, '-X', 'stream']
    // A copy of a busy server takes its time: this process goes on meanwhile.
    const child = spawn(program('pg_basebackup'), [...args, '-c', 'fast'], {
      ...owner(),
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let words = ''
    child.stderr.on('data', (data: Buffer) => (words += data.toString()))
    const [code] = (await once(child, 'close')) as [number | null]
    if (code !== 0) throw new Error(`PostgreSQL cannot be copied: ${words}`)
    const standby = new PostgresServer(folder, await freePort(), this.#options)
    await standby.begin()
    return standby
  }

  /** Makes a primary of a standby. */
  async promote(): Promise<void> {
    await this.query('postgres', 'select pg_promote(true, 60)')
  }

  get dataFolder(): string {
    return join(this.folder, 'data')
  }

  /** Starts the server, and resolves when it answers. */
  async begin(): Promise<void> {
    if (this.#process?.exitCode === null) return
    const settings = [
      `port=${this.port}`,
      `listen_addresses=${this.host}`,
      `unix_socket_directories=${this.folder}`,
      ...this.#options,
    ]
    const args = ['-D', this.dataFolder, ...settings.flatMap((setting) => ['-c', setting])]
    const child = spawn(program('postgres'), args, {
      ...owner(),
      cwd: this.folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let words = ''
    child.stderr.on('data', (data: Buffer) => (words = (words + data.toString()).slice(-4000)))
    this.#process = child
    await this.answers(() => words)
  }

  /** Resolves when the server answers. */
  async answers(words = (): string => ''): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        await this.query('postgres', 'select 1')
        return
      } catch (error) {
        if (this.#process?.exitCode !== null || tries > 600)
          throw new Error(`PostgreSQL does not start: ${words()}`, { cause: error })
        await sleep(50)
      }
    }
  }

  /** Kills a process of the server, which then restarts inside: the process that clients know stays. */
  async crash(): Promise<void> {
    const [row] = await this.query(
      'postgres',
      `select pid from pg_stat_activity where backend_type = 'background writer'`,
    )
    process.kill(Number(row?.['pid']), 'SIGKILL')
    await sleep(100)
  }

  /** Ends the server as an administrator does (`fast`), or as a crash does (`immediate`). */
  async end(how: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await ended
  }

  async stop(): Promise<void> {
    await this.end('immediate')
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Makes an empty database and returns its URL. */
  async newDatabase(): Promise<string> {
    const name = `t${randomBytes(6).toString('hex')}`
    await this.query('postgres', `create database ${name}`)
    return this.url(name)
  }

  url(database: string, user = 'postgres'): string {
    return `postgres://${user}@${this.host}:${this.port}/${database}`
  }

  /** Runs a statement on a connection of its own. */
  async query(database: string, text: string): Promise<Record<string, unknown>[]> {
    return queryAt(this.url(database), text)
  }

  /** Replaces `pg_hba.conf`; the server must be restarted. */
  allow(lines: readonly string[]): void {
    writeFileSync(join(this.dataFolder, 'pg_hba.conf'), `${lines.join('\n')}\n`)
  }
}

export async function queryAt(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}

/** A folder that the server may write to. */
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'trow-postgres-'))
  const { uid, gid } = owner()
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
  return folder
}

function program(name: string): string {
  const path = findProgram(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}

/** PostgreSQL refuses to run as root. */
function owner(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const fields = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === 'postgres')
  return { uid: Number(fields?.[2]), gid: Number(fields?.[3]) }
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram } from '../requirements.ts'
import { freePort } from './free-port.ts'
import { queryAt, type PostgresServer } from './postgres-server.ts'

/** A pooler before a PostgreSQL: on loopback, ended by the test. */
export interface PgBouncer {
  readonly port: number
  /** The URL of the same database by way of the pooler. */
  through(url: string): string
  stop(): Promise<void>
}

/** `settings`: of the pooler, as `name = value`. */
export async function startPgBouncer(
  server: PostgresServer,
  settings: readonly string[],
): Promise<PgBouncer> {
  const program = findProgram('pgbouncer')
  if (program === undefined) throw new Error('pgbouncer is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'trow-pgbouncer-'))
  const port = await freePort()
  writeFileSync(join(folder, 'users'), '"postgres" ""\n')
  const text = `[databases]
* = host=${server.host} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${join(folder, 'users')}
logfile = ${join(folder, 'log')}
${settings.join('\n')}
`
  const file = join(folder, 'pgbouncer.ini')
  writeFileSync(file, text)
  chmodSync(folder, 0o777)
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? ['-u', 'postgres'] : []
  const child = spawn(program, [...user, file], { stdio: 'ignore' })
  const exited = once(child, 'close')
  const through = (url: string): string => url.replace(`:${server.port}/`, `:${port}/`)
  for (let tries = 0; ; tries++) {
    try {
      await queryAt(through(server.url('postgres')), 'select 1')
      break
    } catch (cause) {
      if (tries > 200 || child.exitCode !== null)
        throw new Error(`pgbouncer does not start:\n${readFileSync(join(folder, 'log'), 'utf8')}`, { cause })
      await sleep(50)
    }
  }
  return {
    port,
    through,
    async stop() {
      child.kill('SIGKILL')
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

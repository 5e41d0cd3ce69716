import { randomUUID } from 'node:crypto'
import { sqlState } from './connection-errors.ts'
import type { Connection } from './connection.ts'
import type { Pooler } from './pooler.ts'

/** Looks that must all find the connections kept, before they count as kept. */
const looks = 5

/**
 * What stands between trow and the server; undefined: nothing, or something that keeps connections. `open` opens a
 * connection.
 */
export async function findPooler(
  connection: Connection,
  open: () => Promise<Connection>,
): Promise<Pooler | undefined> {
  if ((await processOf(connection)) === connection.process) return undefined
  const name = `trow.probe.${randomUUID()}`
  const other = await open()
  try {
    for (let look = 0; look < looks; look++) {
      const answer = await lookOnce(connection, other, name)
      if (answer !== 'kept') return answer
    }
    return undefined
  } finally {
    other.close()
  }
}

/** Has the process that served the one connection taken by a transaction of the other, if the pooler gives it away. */
async function lookOnce(connection: Connection, other: Connection, name: string): Promise<Pooler | 'kept'> {
  try {
    const before = await prepared(connection, name)
    await other.run('begin')
    const taken = await processOf(other)
    const after = await prepared(connection, name)
    return before === taken || before !== after ? 'prepared' : 'kept'
  } catch (error) {
    // The process that serves the connection now has no such statement.
    if (sqlState(error) === '26000') return 'unnamed'
    throw error
  } finally {
    await other.run('rollback')
  }
}

async function processOf(connection: Connection): Promise<number> {
  const { rows } = await connection.run<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid ?? 0
}

async function prepared(connection: Connection, name: string): Promise<number> {
  const { rows } = await connection.run<{ pid: number }>('select pg_backend_pid() as pid', [], name)
  return rows[0]?.pid ?? 0
}

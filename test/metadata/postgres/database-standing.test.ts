import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, suite, test } from 'node:test'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { standingOf } from '../../../src/metadata/postgres/database-standing.ts'
import type { DatabaseStanding } from '../../../src/metadata/serving-processes.ts'
import { durabilityOf } from '../../../src/serve/database/durability.ts'
import { findProgram, missing } from '../../requirements.ts'
import type { PostgresServer } from '../../support/postgres-server.ts'
import { TestPostgres } from './open-postgres.ts'

suite('how durable a PostgreSQL is', { skip: missing('initdb', 'postgres', 'pg_receivewal') }, () => {
  const postgres = new TestPostgres()
  const folder = mkdtempSync(join(tmpdir(), 'trow-standing-'))
  after(() => rmSync(folder, { recursive: true }))

  async function standingAt(url: string): Promise<DatabaseStanding> {
    const connection = await Connection.open({ connectionString: url })
    try {
      return await standingOf(connection)
    } finally {
      connection.close()
    }
  }

  async function set(server: PostgresServer, name: string, value: string): Promise<void> {
    await server.query('postgres', `alter system set ${name} = '${value}'`)
    await server.query('postgres', 'select pg_reload_conf()')
  }

  /** A client that receives what is written, as a standby does. */
  async function receiving<Result>(server: PostgresServer, work: () => Promise<Result>): Promise<Result> {
    const args = [
      '-D',
      folder,
      '-d',
      `${server.url('postgres')}?application_name=near`,
      '--synchronous',
      '-s',
      '1',
    ]
    const child = spawn(findProgram('pg_receivewal') ?? '', args, { stdio: 'ignore' })
    const ended = once(child, 'exit')
    try {
      const streaming = `select 1 from pg_stat_replication where state = 'streaming'`
      while ((await server.query('postgres', streaming)).length === 0) await sleep(20)
      return await work()
    } finally {
      child.kill('SIGINT')
      await ended
    }
  }

  async function eventually(
    url: string,
    holds: (standing: DatabaseStanding) => boolean,
  ): Promise<DatabaseStanding> {
    for (const end = performance.now() + 20_000; ; await sleep(50)) {
      const standing = await standingAt(url)
      if (holds(standing)) return standing
      assert.ok(performance.now() < end, JSON.stringify(standing))
    }
  }

  test('an empty synchronous_standby_names is named where there is a standby', async () => {
    const server = await postgres.server
    const url = await postgres.newRegistry()
    await server.query('postgres', 'create role app login')
    const name = new URL(url).pathname.slice(1)
    await server.query(name, 'grant select on policy_document to app')
    const ofApp = server.url(name, 'app')

    const alone = await standingAt(url)
    assert.deepEqual(durabilityOf(alone), {
      isSafe: true,
      text: 'one PostgreSQL server without a standby (synchronous_standby_names is empty)',
    })

    await receiving(server, async () => {
      const lagging = await standingAt(url)
      assert.deepEqual([lagging.standbys, lagging.synchronous], [1, 0])
      const words =
        '1 standby, none synchronous (synchronous_standby_names is empty): a failover may lose the last commits'
      assert.deepEqual(durabilityOf(lagging), { isSafe: false, text: words })
      // A user without pg_monitor sees that it is there.
      const unprivileged = await standingAt(ofApp)
      assert.deepEqual([unprivileged.standbys, unprivileged.synchronous], [1, undefined])
      assert.deepEqual(durabilityOf(unprivileged), { isSafe: false, text: words })

      await set(server, 'synchronous_standby_names', 'near')
      const near = await eventually(url, ({ synchronous }) => synchronous === 1)
      assert.deepEqual(durabilityOf(near), {
        isSafe: true,
        text: 'commits wait for synchronous standbys (near), 1 of 1 standby now',
      })
      assert.deepEqual(durabilityOf(await standingAt(ofApp)), {
        isSafe: true,
        text: 'commits wait for synchronous standbys (near)',
      })

      await set(server, 'synchronous_commit', 'local')
      const local = await eventually(url, ({ synchronousCommit }) => synchronousCommit === 'local')
      assert.match(durabilityOf(local).text, /^synchronous_commit is local: /)
      assert.equal(durabilityOf(local).isSafe, false)
    })
    await set(server, 'synchronous_standby_names', '')
    await set(server, 'synchronous_commit', 'off')
    const off = await eventually(url, ({ synchronousCommit }) => synchronousCommit === 'off')
    assert.match(durabilityOf(off).text, /^synchronous_commit is off: /)
    assert.equal(durabilityOf(off).isSafe, false)
  })
})

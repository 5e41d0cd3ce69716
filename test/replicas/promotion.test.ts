import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresServer } from '../support/postgres-server.ts'
import { s3Env } from '../support/s3-server.ts'
import { runTrow, type ServerProcess } from '../support/server-process.ts'
import { startTcpSwitch, type TcpSwitch } from '../support/tcp-switch.ts'
import { ask, configOf, digestOf, patient, pushImage, tagsOf, targetOf } from './client.ts'
import { SharedRegistry, skipReplicas, type Place } from './shared-registry.ts'

/** That nothing is deleted then is shown by lost-commits.test.ts: a lease of the old primary may stand for a minute. */
suite('a standby that lags becomes the primary', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  /** The way of the registry to the primary, and of the standby to it. */
  let toPrimary: TcpSwitch
  let toSource: TcpSwitch
  let standby: PostgresServer
  before(async () => {
    registry = await SharedRegistry.start()
    toPrimary = await startTcpSwitch(registry.postgres.port)
    toSource = await startTcpSwitch(registry.postgres.port)
    standby = await registry.postgres.standby(toSource.port)
  })
  after(async () => {
    await registry.end()
    await standby.stop()
    for (const way of [toPrimary, toSource]) await way.close()
    await registry.stop()
  })

  async function placeBehindSwitch(): Promise<Place> {
    const place = await registry.place('promoted')
    const database = place.database.replace(`:${registry.postgres.port}/`, `:${toPrimary.port}/`)
    return { ...place, database, args: ['--database', database, ...place.args.slice(2)] }
  }
  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await holds()); tries++) {
      assert.ok(tries < 600, what)
      await sleep(50)
    }
  }
  const queryAt = async (place: Place, server: PostgresServer, text: string): Promise<unknown> => {
    const [row] = await server.query(new URL(place.database).pathname.slice(1), text)
    return row?.['value']
  }
  const marksAt = (place: Place, server: PostgresServer): Promise<unknown> =>
    queryAt(place, server, `select value from setting where name = 'commit-marks'`)

  test('what it lacks is lost and said, no cache answers with it, and the registry goes on', async () => {
    const place = await placeBehindSwitch()
    const a = await registry.replica(place, { name: 'promoted-a', args: ['--workers', '2'] })
    const b = await registry.replica(place, { name: 'promoted-b' })
    const kept = await pushImage(a, 'kept', 'kept')
    await pushImage(b, 'moved', 'before')
    const sent = await registry.postgres.query('postgres', 'select pg_current_wal_flush_lsn()::text as lsn')
    await until('the standby follows', async () => {
      const lsn = String(sent[0]?.['lsn'])
      return (await queryAt(place, standby, `select pg_last_wal_replay_lsn() >= '${lsn}' as value`)) === true
    })
    toSource.lead(undefined)

    const moved = await pushImage(a, 'moved', 'after')
    const lost = await pushImage(b, 'lost', 'lost')
    const doors: readonly ServerProcess[] = [a, b]
    // So often that every cache of both processes has it.
    for (let round = 0; round < 4; round++)
      for (const door of doors) {
        assert.equal(await targetOf(door, 'moved'), moved)
        assert.equal(await targetOf(door, 'lost'), lost)
        assert.deepEqual(await tagsOf(door), ['kept', 'lost', 'moved'])
      }
    // A process that starts makes a mark, which the standby will lack.
    const before = await marksAt(place, registry.postgres)
    const c = await registry.replica(place, { name: 'promoted-c' })
    await until('a mark', async () => (await marksAt(place, registry.postgres)) !== before)

    await registry.postgres.end('immediate')
    await standby.promote()
    toPrimary.lead(standby.port)
    const [one, two, three] = [patient(a), patient(b), patient(c)]
    assert.equal(digestOf((await ask(c, 'manifests/kept')).body), kept)
    for (const door of [one, two, three]) {
      for (let round = 0; round < 4; round++) {
        assert.notEqual(await targetOf(door, 'moved'), moved)
        assert.equal(await targetOf(door, 'kept'), kept)
        assert.equal(await targetOf(door, 'lost'), undefined)
        assert.deepEqual(await tagsOf(door), ['kept', 'moved'])
        assert.equal((await ask(door, `manifests/${lost}`)).status, 404)
      }
      assert.equal((await fetch(`${door.url}/readyz`)).status, 200)
    }
    await until('one says that commits were lost', () =>
      [a, b, c].some((server) => server.output().includes('the database has lost commits')),
    )
    // Pushes go on, of what was lost too.
    assert.equal(await pushImage(two, 'lost', 'lost'), lost)
    const next = await pushImage(three, 'moved', 'next')
    for (const door of [one, two, three]) {
      assert.equal(await targetOf(door, 'moved'), next)
      assert.equal(await targetOf(door, 'lost'), lost)
      const config = digestOf(configOf('lost'))
      assert.equal(digestOf((await ask(door, `blobs/${config}`)).body), config)
    }
    const checked = await runTrow(['fsck', '--data', registry.folder('promoted-a')], { env: s3Env })
    assert.match(checked.output, /all is well/)
  })
})

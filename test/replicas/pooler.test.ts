import assert from 'node:assert/strict'
import { after, afterEach, before, suite, test } from 'node:test'
import { connectChecked } from '../../src/metadata/postgres/check-server.ts'
import { missing } from '../requirements.ts'
import { startPgBouncer, type PgBouncer } from '../support/pg-bouncer.ts'
import { s3Env } from '../support/s3-server.ts'
import { runTrow } from '../support/server-process.ts'
import { ask, configOf, digestOf, patient, pushImage, tagsOf, targetOf, type Door } from './client.ts'
import { SharedRegistry, skipReplicas, type Place } from './shared-registry.ts'

const warning = /a pooler without prepared statements stands before PostgreSQL/

suite('behind PgBouncer', { skip: skipReplicas || missing('pgbouncer') }, () => {
  let registry: SharedRegistry
  let byTransaction: PgBouncer
  before(async () => {
    registry = await SharedRegistry.start()
    byTransaction = await startPgBouncer(registry.postgres, ['pool_mode = transaction'])
  })
  afterEach(() => registry.end())
  after(async () => {
    await byTransaction.stop()
    await registry.stop()
  })

  const behind = (place: Place, pooler: PgBouncer): Place => {
    const database = pooler.through(place.database)
    return { ...place, database, args: ['--database', database, ...place.args.slice(2)] }
  }

  /** One writes, the other sees it, moves it, deletes it, and the one sees that. */
  async function round(a: Door, b: Door, text: string): Promise<void> {
    const digest = await pushImage(a, 'one', text)
    assert.equal(await targetOf(b, 'one'), digest)
    assert.equal(digestOf((await ask(b, `blobs/${digestOf(configOf(text))}`)).body), digestOf(configOf(text)))
    const next = await pushImage(b, 'one', `${text} moved`)
    assert.equal(await targetOf(a, 'one'), next)
    assert.equal((await ask(b, `manifests/${digest}`, { method: 'DELETE' })).status, 202)
    assert.equal((await ask(a, `manifests/${digest}`)).status, 404)
    assert.deepEqual(await tagsOf(a), ['one'])
  }

  for (const [name, settings] of [
    ['that refuses settings of a session', []],
    ['that drops settings of a session', ['ignore_startup_parameters = options, statement_timeout, idle_in_transaction_session_timeout, extra_float_digits']],
  ] as const) // prettier-ignore
    test(`in transaction mode, ${name}: everything works, with a warning`, async () => {
      const pooler = await startPgBouncer(registry.postgres, ['pool_mode = transaction', ...settings])
      try {
        const place = behind(await registry.place(`pooled-${settings.length}`), pooler)
        const names = [`pooled-${settings.length}-a`, `pooled-${settings.length}-b`]
        const [a, b] = await registry.replicas(place, names)
        assert.ok(a && b)
        for (const server of [a, b]) assert.match(server.output(), warning)
        for (let count = 0; count < 10; count++) await round(a, b, `round ${count}`)
        // Many at once, so that connections to the server change hands.
        const pushes = Array.from({ length: 40 }, (_, n) => pushImage(n % 2 === 0 ? a : b, `t${n}`, `many ${n}`))
        const digests = await Promise.all(pushes)
        for (const door of [a, b])
          assert.deepEqual(await Promise.all(digests.map((_, n) => targetOf(door, `t${n}`))), digests)
        for (const command of ['gc', 'fsck']) {
          const own = registry.folder(`pooled-own-${settings.length}`)
          const { code, output } = await runTrow([command, '--data', own, ...place.args], { env: s3Env })
          assert.equal(code, 0, output)
        }
      } finally {
        await registry.end()
        await pooler.stop()
      }
    }) // prettier-ignore

  test('that keeps sessions: statements are prepared, without a warning', async () => {
    const pooler = await startPgBouncer(registry.postgres, [
      'pool_mode = session',
      'default_pool_size = 60',
      'ignore_startup_parameters = options, statement_timeout, idle_in_transaction_session_timeout',
    ])
    try {
      const place = behind(await registry.place('sessions'), pooler)
      const [a, b] = await registry.replicas(place, ['sessions-a', 'sessions-b'])
      assert.ok(a && b)
      for (const server of [a, b]) assert.doesNotMatch(server.output(), warning)
      await round(a, b, 'one')
    } finally {
      await registry.end()
      await pooler.stop()
    }
  })

  test('a direct way is no pooler', async () => {
    const { database } = await registry.place('direct')
    const connection = await connectChecked({ url: database, passwordFile: undefined }, 1)
    assert.equal(connection.pooler, undefined)
    connection.close()
  })

  test('a server that recovers, which no connection tells: nothing old is answered', async () => {
    const place = behind(await registry.place('recovered'), byTransaction)
    const doors: readonly Door[] = await registry.replicas(place, ['recovered-a', 'recovered-b'])
    const [a, b] = doors
    assert.ok(a && b)
    await pushImage(a, 'one', 'before')
    for (let count = 0; count < 4; count++) for (const door of doors) assert.ok(await targetOf(door, 'one'))
    await registry.postgres.crash()
    await registry.postgres.answers()
    // The pooler ends the connections of requests that were under way at the crash.
    for (let count = 0; count < 5; count++) {
      const digest = await pushImage(patient(count % 2 === 0 ? a : b), 'one', `after ${count}`)
      for (const door of doors) assert.equal(await targetOf(patient(door), 'one'), digest)
    }
  })
})

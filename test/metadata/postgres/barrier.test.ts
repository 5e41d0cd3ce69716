import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { suite, test, type TestContext } from 'node:test'
import { SharedCache } from '../../../src/metadata/cache/shared-cache.ts'
import { hashOf, manifestKey, slotOf, Generations } from '../../../src/metadata/cache/generations.ts'
import { Barrier, freshReads } from '../../../src/metadata/postgres/barrier.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { Link } from '../../../src/metadata/postgres/link.ts'
import { LogPruner } from '../../../src/metadata/postgres/log-pruner.ts'
import type { MetadataStore } from '../../../src/metadata/metadata-store.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { parseTag } from '../../../src/oci/tag.ts'
import { missing } from '../../requirements.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { digestOf, manifestOf } from '../metadata-store-contract.ts'
import { startHoldingProxy } from './holding-proxy.ts'
import { openStore, TestPostgres } from './open-postgres.ts'

const skip = missing('initdb', 'postgres')
const repository = parseRepositoryName('some/name')
const tag = parseTag('t')
const slot = slotOf(hashOf(manifestKey(repository, tag)))

const point = (store: MetadataStore, text: string): Promise<unknown> =>
  store.putManifest(manifestOf(repository, text, { tags: [tag], now: 1 }))
const target = async (store: MetadataStore): Promise<Digest | undefined> =>
  (await store.findManifest(repository, tag))?.digest

async function shortest(run: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < 30; round++) {
    const since = performance.now()
    await run()
    times.push(performance.now() - since)
  }
  return Math.min(...times)
}

suite('reads from caches beside other processes', { skip }, () => {
  const postgres = new TestPostgres()

  async function opened(t: TestContext, url: string): Promise<MetadataStore> {
    const store = openStore(url)
    t.after(() => store.close())
    return Promise.resolve(store)
  }
  async function raw(t: TestContext, url: string): Promise<Connection> {
    const connection = await Connection.open({ connectionString: url })
    t.after(() => connection.close())
    return connection
  }

  test('see a transaction that commits long after it began, and after later ones', async (t) => {
    const url = await postgres.newRegistry()
    const [writer, reader] = [await opened(t, url), await opened(t, url)]
    await point(writer, 'old')
    await point(writer, 'new')
    await point(writer, 'old')
    const slow = await raw(t, url)
    await slow.run('begin')
    await slow.run(
      `update tag set manifest_id = (select id from manifest where digest = '${digestOf('new')}')`,
    )
    await slow.run('insert into change_log (attempt, slots) values ($1, $2)', [randomUUID(), [slot]])
    for (let round = 0; round < 20; round++) {
      // Later transactions commit, and the reader learns of them.
      await writer.putManifest(manifestOf(repository, `other ${round}`, { now: 1 }))
      assert.equal(await target(reader), digestOf('old'))
    }
    await slow.run('commit')
    assert.equal(await target(reader), digestOf('new'))
  })

  test('a log that is read from the last number on misses such a transaction', async (t) => {
    const url = await postgres.newRegistry()
    const connections = { slow: await raw(t, url), quick: await raw(t, url), reads: await raw(t, url) }
    const log = (connection: Connection, changed: number): Promise<unknown> =>
      connection.run('insert into change_log (attempt, slots) values ($1, $2)', [randomUUID(), [changed]])
    /** What is left of the question without the transactions that were under way. */
    const naive: Pick<Connection, 'ask' | 'run'> = {
      run: (...asked) => connections.reads.run(...asked),
      ask: ({ postgres: { sql } = { name: '', sql: '' }, ...statement }, values) => {
        const left = sql.replace(/union all[^]*?(?=\) as slots)/, '')
        return connections.reads.ask({ ...statement, postgres: { name: 'naive', sql: left } }, values)
      },
    }
    const link = new Link(() => ({ connectionString: url }))
    t.after(() => link.close())
    const ofNaive = Object.assign(Object.create(link) as Link, {
      repeat: (work: (connection: Connection) => Promise<unknown>) => work(naive as Connection),
    })
    const [right, wrong] = [new Generations(), new Generations()]
    const barriers = [
      new Barrier({ link, generations: right, limits: freshReads }),
      new Barrier({ link: ofNaive, generations: wrong, limits: freshReads }),
    ]
    const round = (): Promise<unknown> => Promise.all(barriers.map(async (barrier) => barrier.fresh()))
    await connections.slow.run('begin')
    await log(connections.slow, slot)
    await log(connections.quick, slot + 1)
    await round()
    const before = [right.load(slot), wrong.load(slot)]
    await connections.slow.run('commit')
    await round()
    assert.notEqual(right.load(slot), before[0])
    assert.equal(wrong.load(slot), before[1])
  })

  test('see a change whose commit was held up for longer than the log is kept', async (t) => {
    const url = await postgres.newRegistry()
    const [writer, reader] = [await opened(t, url), await opened(t, url)]
    await point(writer, 'new')
    await point(writer, 'old')
    const slow = await raw(t, url)
    await slow.run('begin')
    await slow.run(
      `update tag set manifest_id = (select id from manifest where digest = '${digestOf('new')}')`,
    )
    await slow.run('insert into change_log (attempt, slots) values ($1, $2)', [randomUUID(), [slot]])
    await writer.putManifest(manifestOf(repository, 'another', { now: 1 }))
    assert.equal(await target(reader), digestOf('old'))
    const pruner = new LogPruner(new Link(() => ({ connectionString: url })))
    pruner.stop()
    await pruner.prune(0)
    await pruner.prune(600_000)
    await slow.run('commit')
    await pruner.prune(1_200_000)
    assert.equal(await target(reader), digestOf('new'))
  })

  test('a value that is being read while it changes is not kept for later reads', async (t) => {
    const server = await postgres.server
    const url = await postgres.newRegistry()
    const proxy = await startHoldingProxy(server)
    t.after(() => proxy.close())
    const through = url.replace(`:${server.port}/`, `:${proxy.port}/`)
    const [writer, reader] = [await opened(t, url), await opened(t, through)]
    await point(writer, 'old')
    const answered = proxy.hold('manifestByTag')
    const missed = target(reader)
    await answered
    await point(writer, 'new')
    proxy.release()
    assert.equal(await missed, digestOf('old'))
    assert.equal(await target(reader), digestOf('new'))
  })

  /** Rounds that begin and do not end before they are told to. */
  function heldRounds(): { link: Link; begun: number; end: () => void } {
    const link = new Link(() => ({}))
    let open: PromiseWithResolvers<void> | undefined
    const held = {
      link: Object.assign(Object.create(link) as Link, {
        repeat: () => {
          assert.equal(open, undefined, 'one round at a time')
          held.begun += 1
          open = Promise.withResolvers<void>()
          return open.promise
        },
      }),
      begun: 0,
      end: () => {
        open?.resolve()
        open = undefined
      },
    }
    return held
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

  test('those that arrive together share a round, and those that arrive meanwhile share the next', async () => {
    const rounds = heldRounds()
    const barrier = new Barrier({ link: rounds.link, generations: new Generations(), limits: freshReads })
    const some = (): Promise<unknown> => Promise.all(Array.from({ length: 10 }, async () => barrier.fresh()))
    const first = some()
    await turn()
    assert.equal(rounds.begun, 1)
    let isLateKnown = false
    const late = some().then(() => (isLateKnown = true))
    await turn()
    assert.equal(rounds.begun, 1)
    rounds.end()
    await first
    assert.equal(isLateKnown, false, 'the round before began too early for it')
    await turn()
    assert.equal(rounds.begun, 2)
    rounds.end()
    await late
  })

  test('one that waits for rounds before its own is refused as early as others', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const rounds = heldRounds()
    const barrier = new Barrier({ link: rounds.link, generations: new Generations(), limits: freshReads })
    const refused: string[] = []
    const ask = async (name: string): Promise<void> => {
      await assert.rejects(async () => barrier.fresh(), { code: 'UNAVAILABLE' })
      refused.push(name)
    }
    const first = ask('first')
    await turn()
    t.mock.timers.tick(3000)
    const second = ask('second')
    await turn()
    t.mock.timers.tick(2000)
    await first
    assert.deepEqual(refused, ['first'])
    t.mock.timers.tick(3000)
    await second
    assert.equal(rounds.begun, 1)
    rounds.end()
    await turn()
    const later = Promise.resolve(barrier.fresh())
    await turn()
    rounds.end()
    assert.equal(await later, 'fresh')
  })

  test('with a transaction open throughout, each sees what was answered before', async (t) => {
    const url = await postgres.newRegistry()
    const [writer, reader] = [await opened(t, url), await opened(t, url)]
    const open = await raw(t, url)
    await open.run('begin')
    await open.run('select pg_current_xact_id()')
    for (let round = 0; round < 100; round++) {
      await point(writer, `${round}`)
      assert.equal(await target(reader), digestOf(`${round}`))
      assert.equal(await target(reader), digestOf(`${round}`))
    }
    await open.run('rollback')
  })

  test('a log of 60,000 rows under an open transaction does not slow a round', async (t) => {
    const url = await postgres.newRegistry()
    const connection = await raw(t, url)
    const open = await raw(t, url)
    await open.run('begin')
    await open.run('select pg_current_xact_id()')
    await connection.run(
      `do $$ begin for i in 1..600 loop insert into change_log (attempt, slots) select gen_random_uuid(), '{1,2,3}' from generate_series(1, 100); commit; end loop; end $$`,
    )
    await connection.run('analyze change_log')
    const barrier = new Barrier({
      link: new Link(() => ({ connectionString: url })),
      generations: new Generations(),
      limits: freshReads,
    })
    for (let round = 0; round < 10; round++) await barrier.fresh()
    // What is right as well, and reads everything since the oldest transaction.
    const { rows } = await connection.run<{ s: string }>('select pg_current_snapshot()::text as s')
    const all =
      'select slots from change_log where xid >= pg_snapshot_xmin($1) and not pg_visible_in_snapshot(xid, $1)'
    const fast = await shortest(async () => barrier.fresh())
    const slow = await shortest(() => connection.run(all, [rows[0]?.s]))
    assert.ok(fast < slow / 3, `${fast} ms, ${slow} ms`)
    await open.run('rollback')
  })

  test('a server that recovers uses numbers of transactions again: all caches are emptied', async (t) => {
    const server = await PostgresServer.start(['wal_writer_delay=10s'])
    t.after(() => server.stop())
    const url = await postgres.newRegistryAt(server)
    const [writer, reader] = [openStore(url), openStore(url)]
    await point(writer, 'old')
    const connection = await Connection.open({ connectionString: url })
    // Transactions whose numbers the crash forgets, because nothing flushes them.
    await connection.run('set synchronous_commit = off')
    for (let count = 0; count < 200; count++) await connection.run('select pg_current_xact_id()')
    assert.equal(await target(reader), digestOf('old'))
    assert.equal(await target(reader), digestOf('old'))
    await server.crash()
    await server.answers()
    await point(writer, 'new')
    assert.equal(await target(reader), digestOf('new'))
    connection.close()
    await writer.close()
    await reader.close()
  })

  test('threads of one process at two servers do not answer from what the other has read', async (t) => {
    const url = await postgres.newRegistry()
    const before = openStore(url)
    await point(before, 'new')
    await point(before, 'old')
    await before.close()
    // As a promoted standby, which has no epoch, while the primary before it still answers some.
    const name = `promoted_${randomUUID().replaceAll('-', '')}`
    await (
      await postgres.server
    ).query('postgres', `create database ${name} template ${new URL(url).pathname.slice(1)}`)
    const promoted = (await postgres.server).url(name)
    await (await raw(t, promoted)).run('delete from epoch')
    const [generations, cache] = [new Generations(), SharedCache.create(1_000_000)]
    const thread = (place: string, number: number): MetadataStore => {
      const sharedCache = SharedCache.attach(cache.buffer, number)
      const store = openStore(place, { generations: new Generations(generations.buffer), sharedCache })
      t.after(() => store.close())
      return store
    }
    const [left, moved] = [thread(url, 0), thread(promoted, 1)]
    assert.equal(await target(left), digestOf('old'))
    await point(moved, 'new')
    assert.equal(await target(moved), digestOf('new'))
    assert.equal(await target(left), digestOf('old'))
    // Neither of them has asked so often that it keeps the answer for itself.
    assert.equal(await target(thread(promoted, 2)), digestOf('new'))
    assert.equal(await target(moved), digestOf('new'))
    assert.equal(await target(left), digestOf('old'))
  })

  test('what is pruned was seen by all, or empties the caches of who has not', async (t) => {
    const url = await postgres.newRegistry()
    const [writer, reader] = [await opened(t, url), await opened(t, url)]
    await point(writer, 'old')
    assert.equal(await target(reader), digestOf('old'))
    await point(writer, 'new')
    const connection = await raw(t, url)
    const pruner = new LogPruner(new Link(() => ({ connectionString: url })))
    pruner.stop()
    const rows = async (): Promise<number> =>
      (await connection.run<{ n: number }>('select count(*) as n from change_log')).rows[0]?.n ?? 0
    const before = await rows()
    await pruner.prune(0)
    await pruner.prune(599_999)
    assert.equal(await rows(), before)
    await pruner.prune(600_000)
    assert.equal(await rows(), 0)
    assert.equal(await target(reader), digestOf('new'))
  })

  test('rows of another server, from a dump, do not stay', async (t) => {
    const url = await postgres.newRegistry()
    const connection = await raw(t, url)
    await connection.run(`insert into change_log (xid, attempt, slots) values ('9000000000', $1, '{}')`, [
      randomUUID(),
    ])
    await connection.run(`update change_log_floor set floor = '8000000000'`)
    await postgres.prepare(url)
    const { rows } = await connection.run('select xid::text from change_log')
    assert.deepEqual(rows, [])
    const floor = await connection.run('select floor::text from change_log_floor')
    assert.deepEqual(floor.rows, [{ floor: '0' }])
  })
})

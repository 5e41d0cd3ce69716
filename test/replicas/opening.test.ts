import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { migrationKey } from '../../src/metadata/postgres/advisory-locks.ts'
import { Connection } from '../../src/metadata/postgres/connection.ts'
import { freshReads } from '../../src/metadata/postgres/barrier.ts'
import { openEngines } from '../../src/storage/open-engines.ts'
import type { Engines } from '../../src/storage/storage-engine.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { s3Env } from '../support/s3-server.ts'
import { runTrow, startedServer, startServer } from '../support/server-process.ts'
import { configOf, pushImage, targetOf } from './client.ts'
import { SharedRegistry, skipReplicas } from './shared-registry.ts'

/** All of them have seen an empty database before any makes its registry there. */
async function together<Started>(
  database: string,
  count: number,
  start: () => Promise<Started>,
): Promise<Started> {
  const gate = await Connection.open({ connectionString: database })
  await gate.run('begin')
  await gate.run('select pg_advisory_xact_lock($1::bigint)', [migrationKey])
  const started = start()
  const waiting = `select count(*) as count from pg_locks where locktype = 'advisory' and not granted`
  for (let tries = 0; (await gate.run<{ count: number }>(waiting)).rows[0]?.count !== count; tries++) {
    assert.ok(tries < 600, 'they do not come')
    await sleep(50)
  }
  await gate.run('commit')
  gate.close()
  return started
}

suite('opening a registry that several processes share', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  before(async () => {
    registry = await SharedRegistry.start()
  })
  afterEach(() => registry.end())
  after(() => registry.stop())

  const mark = 'sub/trow-registry.json'
  const markOf = (name: string): string => readFileSync(join(registry.folder(name), 'database-id'), 'utf8')

  test('any fresh folder joins, also three at once on an empty database and bucket', async () => {
    const place = await registry.place('joining')
    const names = ['joining-a', 'joining-b', 'joining-c']
    const [a, b, c] = await together(place.database, names.length, () => registry.replicas(place, names))
    assert.ok(a && b && c)
    assert.equal(new Set(names.map(markOf)).size, 1)
    const digest = await pushImage(a, 'one', 'one')
    assert.equal(await targetOf(b, 'one'), digest)
    assert.equal(await targetOf(c, 'one'), digest)
    const marker = await registry.s3.objects(place.bucket).text(mark)
    assert.equal((JSON.parse(marker ?? '') as { registry: string }).registry, markOf('joining-a').trim())
    await registry.end()

    // The folders are scratch: the registry is there without any of them.
    for (const name of names) rmSync(registry.folder(name), { recursive: true })
    const late = await registry.replica(place, { name: 'joining-late' })
    assert.equal(await targetOf(late, 'one'), digest)
    assert.equal(existsSync(join(registry.folder('joining-late'), 'blobs')), false)
  })

  test('a process that looks at the bucket when another has just marked it joins', async (t) => {
    const place = await registry.place('just-marked')
    const proxy = await startFaultProxy(registry.s3.endpoint)
    t.after(() => proxy.close())
    const open = (name: string, endpoint: string): Promise<Engines> =>
      openEngines({
        folder: registry.folder(name),
        reserve: 0,
        cacheBytes: 0,
        s3Redirect: false,
        env: s3Env,
        database: { url: place.database, passwordFile: undefined, workers: 0, limits: freshReads },
        s3: { ...registry.s3.location(place.bucket, 'sub/'), endpoint },
      })
    const first = Promise.withResolvers<Engines>()
    // The second has seen an empty database; its first request to S3 is answered when the first has made its registry.
    proxy.plan = () => {
      proxy.plan = () => undefined
      open('just-marked-a', registry.s3.endpoint).then(first.resolve, first.reject)
      return { kind: 'slow', delay: 3000 }
    }
    const second = await open('just-marked-b', proxy.endpoint)
    assert.equal((await first.promise).fresh, true)
    assert.equal(second.fresh, false)
    for (const engines of [await first.promise, second]) {
      assert.equal(engines.isShared, true)
      await engines.close()
    }
    assert.equal(markOf('just-marked-a'), markOf('just-marked-b'))
  })

  test('commands work from a folder of their own while servers run elsewhere', async () => {
    const place = await registry.place('commands')
    const a = await registry.replica(place, { name: 'commands-a' })
    await pushImage(a, 'one', configOf('x'.repeat(100_000)))
    const named = ['--data', registry.folder('commands-own'), ...place.args]
    for (const command of [['gc'], ['fsck'], ['robot', 'list']]) {
      const { code, output } = await runTrow([...command, ...named], { env: s3Env })
      assert.equal(code, 0, output)
    }
    assert.equal(markOf('commands-own'), markOf('commands-a'))
    const empty = ['--data', registry.folder('commands-none'), ...(await registry.place('nothing')).args]
    const none = await runTrow(['gc', ...empty], { env: s3Env })
    assert.match(none.output, /the database holds no registry/)
    assert.equal(existsSync(registry.folder('commands-none')), false)
  })

  test('a folder of another registry is refused, and so is a bucket that is not its own', async () => {
    const [place, other] = [await registry.place('own'), await registry.place('other')]
    await registry.replica(place, { name: 'own-a' })
    await registry.replica(other, { name: 'other-a' })
    await registry.end()
    const [, , bucket, ...endpoint] = place.args
    const mixed = ['--database', other.database, bucket ?? '', ...endpoint]
    assert.match(await registry.refusal('other-a', place.args), /belongs to a registry in another database/)
    assert.match(
      await registry.refusal('mixed', mixed),
      new RegExp(`are in s3://${other.bucket}/sub/, not in s3://${place.bucket}/sub/`),
    )
    const nowhere = ['--database', place.database]
    const words = await registry.refusal('nowhere', nowhere)
    assert.match(
      words,
      new RegExp(
        `the blobs of the registry in the database are in s3://${place.bucket}/sub/, not in .*nowhere`,
      ),
    )
    assert.match(words, /--s3/)
    const empty = await registry.s3.bucket('unused')
    const unused = [...nowhere, `--s3=s3://${empty}/sub`, ...endpoint]
    assert.match(
      await registry.refusal('unused', unused),
      new RegExp(`are in s3://${place.bucket}/sub/, not in s3://${empty}/sub/`),
    )
    assert.deepEqual(await registry.s3.names(empty), [])
    await registry.s3.objects(place.bucket).remove(mark)
    assert.match(await registry.refusal('lost', place.args), /has no marker of this registry/)
    for (const name of ['mixed', 'nowhere', 'unused', 'lost'])
      assert.equal(existsSync(registry.folder(name)), false, name)
    const files = registry.folder('files')
    mkdirSync(join(files, 'blobs', '00'), { recursive: true })
    writeFileSync(join(files, 'blobs', '00', '0'.repeat(32)), 'blob')
    assert.match(await registry.refusal('files', other.args), /the blobs of this registry are files/)
  })

  test('a start that was cut off before the bucket was marked is repeated from any folder', async () => {
    const place = await registry.place('cut')
    await registry.replica(place, { name: 'cut-a' })
    await registry.end()
    await registry.s3.objects(place.bucket).remove(mark)
    const database = new URL(place.database).pathname.slice(1)
    await registry.postgres.query(database, `delete from setting where name = 'bucket-marked'`)
    const b = await registry.replica(place, { name: 'cut-b' })
    assert.ok(await pushImage(b, 'one', 'one'))
    assert.equal(markOf('cut-b'), markOf('cut-a'))
  })

  test('with blobs in a folder one process serves it, and the second is told why', async () => {
    const database = await registry.postgres.newDatabase()
    const args = ['--database', database, '--workers', '1']
    const first = await startedServer({ data: registry.folder('alone'), args })
    const second = await registry.refusal('alone-b', args)
    assert.match(second, /alone-b does not hold the blobs of the registry in the database/)
    assert.match(second, /only where its blobs are in a bucket \(--s3\)/)
    assert.match(await registry.refusal('alone', args), /in use by another trow/)
    await first.stop()

    const empty = await registry.postgres.newDatabase()
    const names = ['race-a', 'race-b']
    const started = await together(empty, names.length, () =>
      Promise.all(
        names.map((name) => startServer({ data: registry.folder(name), args: ['--database', empty] })),
      ),
    )
    const died = started.flatMap((server) => ('died' in server ? [server.died] : []))
    for (const server of started) if (!('died' in server)) await server.kill()
    assert.equal(died.length, 1)
    assert.match(died[0] ?? '', /does not hold the blobs of the registry in the database/)
    assert.equal(names.filter((name) => existsSync(join(registry.folder(name), 'database-id'))).length, 1)

    const name = await registry.s3.bucket('alone')
    const bucket = [`--s3=s3://${name}/sub`, '--s3-endpoint', registry.s3.endpoint]
    const sqlite = await startedServer({ data: registry.folder('sqlite'), args: bucket, env: s3Env })
    assert.match(await registry.refusal('sqlite-b', bucket), /one registry where they share a --database/)
    await sqlite.stop()
  })

  test('each process would make a CA of its own: one must be given', async () => {
    const place = await registry.place('authority')
    const words = await registry.refusal('authority', [...place.args, '--tls-auto'])
    assert.match(words, /--tls-auto needs --tls-ca/)
    assert.equal(existsSync(registry.folder('authority')), false)
  })
})

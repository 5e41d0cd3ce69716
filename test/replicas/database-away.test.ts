import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'
import { ask, configOf, digestOf, patient, pushImage, tagsOf, targetOf, Upload, type Door } from './client.ts'
import { SharedRegistry, skipReplicas } from './shared-registry.ts'

const warning = '110 - "Response is Stale"'

suite('while the database is away', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  before(async () => {
    registry = await SharedRegistry.start()
  })
  afterEach(async () => {
    await registry.end()
    await registry.postgres.begin()
  })
  after(() => registry.stop())

  async function pushLayer(door: Door): Promise<string> {
    const content = randomBytes(200_000)
    const upload = await Upload.open(door)
    assert.equal((await upload.patch(door, content)).status, 202)
    assert.equal((await upload.close(door, digestOf(content))).status, 201)
    return digestOf(content)
  }
  async function refused(door: Door, rest: string, init?: RequestInit): Promise<void> {
    const { status, headers, body } = await ask(door, rest, init)
    assert.equal(status, 503, `${rest}: ${body.toString()}`)
    assert.ok(headers.has('retry-after'))
  }

  test('what a process knows is pulled from it, marked and counted; nothing else is answered', async () => {
    const place = await registry.place('known')
    const port = await freePort()
    const metrics = ['--metrics-listen', `127.0.0.1:${port}`]
    // So that a HEAD has to renew what no manifest refers to.
    const a = await registry.replica(place, { name: 'known-a', args: [...metrics, '--gc-grace', '1s'] })
    const b = await registry.replica(place, { name: 'known-b', args: ['--stale-reads', '0s'] })
    const [digest, layer, loose] = [await pushImage(a, 'one', 'one'), await pushLayer(a), await pushLayer(a)]
    const config = digestOf(configOf('one'))
    const known = ['manifests/one', `manifests/${digest}`, `blobs/${config}`, `blobs/${layer}`, 'tags/list']
    for (const door of [a, b])
      for (const rest of [...known, `blobs/${loose}`]) {
        const { status, headers } = await ask(door, rest)
        assert.equal(status, 200)
        assert.equal(headers.get('warning'), null)
      }
    assert.equal((await fetch(`${a.url}/readyz`)).status, 200)
    await registry.postgres.end()

    for (const rest of known) {
      const { status, headers } = await ask(a, rest)
      assert.equal(status, 200, rest)
      assert.equal(headers.get('warning'), warning, rest)
    }
    const head = await ask(a, 'manifests/one', { method: 'HEAD' })
    assert.equal(head.headers.get('docker-content-digest'), digest)
    assert.equal((await ask(a, `blobs/${config}`, { method: 'HEAD' })).headers.get('warning'), warning)
    const unchanged = await ask(a, 'manifests/one', { headers: { 'if-none-match': `"${digest}"` } })
    assert.equal(unchanged.status, 304)
    assert.equal(unchanged.headers.get('warning'), warning)

    await Promise.all([
      refused(a, 'manifests/unknown'),
      refused(a, `blobs/${digestOf('unknown')}`),
      refused(a, `blobs/${loose}`, { method: 'HEAD' }),
      refused(a, 'manifests/one', { method: 'DELETE' }),
      refused(a, `blobs/${layer}`, { method: 'DELETE' }),
      refused(a, 'blobs/uploads/', { method: 'POST' }),
      refused(b, 'manifests/one'),
    ])
    assert.equal((await fetch(`${a.url}/readyz`)).status, 200)
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    const [, count = '0'] = /^trow_stale_reads_total (\d+)$/m.exec(text) ?? []
    assert.ok(Number(count) >= known.length, text)

    // As soon as it is back, reads are as they were, without a request that asks for it.
    await registry.postgres.begin()
    const moved = await pushImage(patient(b), 'one', 'two')
    assert.equal(await targetOf(patient(a, 5000), 'one'), moved)
    assert.deepEqual(await tagsOf(patient(a, 5000)), ['one'])
  })

  test('pulls end when what is known is older than --stale-reads', async () => {
    const place = await registry.place('old')
    const a = await registry.replica(place, { name: 'old-a', args: ['--stale-reads', '8s'] })
    await pushImage(a, 'one', 'one')
    assert.ok(await targetOf(a, 'one'))
    await registry.postgres.end()
    assert.equal((await ask(a, 'manifests/one')).headers.get('warning'), warning)
    for (let tries = 0; (await ask(a, 'manifests/one')).status !== 503; tries++) {
      assert.ok(tries < 100)
      await sleep(200)
    }
  })

  test('a server that has fallen silent is away too', async () => {
    const place = await registry.place('silent')
    const a = await registry.replica(place, { name: 'silent-a' })
    await pushImage(a, 'one', 'one')
    assert.ok(await targetOf(a, 'one'))
    const rows = await registry.postgres.query(
      'postgres',
      `select pid from pg_stat_activity where application_name = 'trow'`,
    )
    const pids = rows.map(({ pid }) => Number(pid))
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    // Its statements are given up after 15 s; a pull waits a third of that.
    const stale = await Promise.race([ask(a, 'manifests/one'), sleep(12_000)])
    for (const pid of pids) process.kill(pid, 'SIGCONT')
    assert.ok(stale !== undefined, 'the pull waits for the server')
    assert.equal(stale.status, 200)
    assert.equal(stale.headers.get('warning'), warning)
    assert.ok(await targetOf(patient(a), 'one'))
  })
})

suite('reads that may be behind', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  before(async () => {
    registry = await SharedRegistry.start()
  })
  after(() => registry.stop())

  test('use the last round for as long as --read-staleness says, and show own changes at once', async () => {
    const place = await registry.place('behind')
    const a = await registry.replica(place, { name: 'behind-a' })
    const b = await registry.replica(place, { name: 'behind-b', args: ['--read-staleness', '10s'] })
    const old = await pushImage(a, 'one', 'old')
    const own = await pushImage(b, 'own', 'first')
    assert.equal(await targetOf(b, 'own'), own)
    assert.equal(await targetOf(b, 'one'), old)
    const moved = await pushImage(a, 'one', 'new')
    const since = performance.now()
    const behind = await targetOf(b, 'one')
    // A machine that is so busy has seen the next round by now.
    if (performance.now() - since < 5000) assert.equal(behind, old)
    assert.equal(await targetOf(b, 'own'), own)
    const next = await pushImage(b, 'own', 'second')
    assert.equal(await targetOf(b, 'own'), next)
    for (let tries = 0; (await targetOf(b, 'one')) !== moved; tries++) {
      assert.ok(performance.now() - since < 60_000)
      await sleep(100)
    }
  })
})

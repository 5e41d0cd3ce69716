import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, suite, test } from 'node:test'
import { Connection } from '../../src/metadata/postgres/connection.ts'
import type { ServerProcess } from '../support/server-process.ts'
import {
  ask,
  configOf,
  digestOf,
  manifestOf,
  pushImage,
  putManifest,
  tagsOf,
  targetOf,
  type Door,
} from './client.ts'
import { checkHistory, Register } from './register.ts'
import { isLong, SharedRegistry, skipReplicas, type Place } from './shared-registry.ts'

const manifestType = 'application/vnd.oci.image.manifest.v1+json'

suite('what several processes answer', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  before(async () => {
    registry = await SharedRegistry.start()
  })
  afterEach(() => registry.end())
  after(() => registry.stop())

  /** A transaction that has a number and stays open. */
  async function openTransaction(place: Place): Promise<{ end(): Promise<void> }> {
    const connection = await Connection.open({ connectionString: place.database })
    await connection.run('begin')
    await connection.run('select pg_current_xact_id()')
    return {
      async end() {
        await connection.run('rollback')
        connection.close()
      },
    }
  }

  test('each sees at once what another has answered, with warm caches', async () => {
    const place = await registry.place('own-writes')
    const [a, b] = await registry.replicas(place, ['own-writes-a', 'own-writes-b'], ['--workers', '2'])
    assert.ok(a && b)
    const open = await openTransaction(place)
    for (let round = 0; round < (isLong ? 200 : 15); round += 2) {
      await exchange(a, b, round)
      await exchange(b, a, round + 1)
    }
    await open.end()
  })

  test('is linearizable while tags move at all of them and a transaction is open throughout', async () => {
    const place = await registry.place('linear')
    const servers = await registry.replicas(place, ['linear-a', 'linear-b', 'linear-c'])
    const [first] = servers
    assert.ok(first)
    const versions = isLong ? 300 : 15
    // One blob for all, and every version a manifest of its own.
    await pushImage(first, 'seed', 'seed')
    const open = await openTransaction(place)
    const registers = servers.flatMap((writer, place) =>
      [0, 1].map((index) => new Register(`tag-${place}-${index}`, { writer, readers: servers, versions })),
    )
    await Promise.all(registers.map((each) => each.run()))
    await open.end()
    const reads = registers.map(({ history }) => checkHistory(history))
    assert.ok(reads.every((count) => count > versions))
  })

  test('does not depend on the clocks of their machines', async () => {
    const place = await registry.place('clocks')
    const ahead = join(registry.root, 'ahead')
    writeFileSync(ahead, String(3_600_000))
    const preload = new URL('../support/set-clock.ts', import.meta.url)
    const a = await registry.replica(place, { name: 'clocks-a' })
    const b = await registry.replica(place, { name: 'clocks-b', preload, env: { CLOCK_AHEAD: ahead } })
    await pushImage(a, 'x', 'first')
    for (const skew of [3_600_000, -3_600_000, 0]) {
      writeFileSync(ahead, String(skew))
      for (const [writer, reader] of [
        [a, b],
        [b, a],
      ] as const) {
        const digest = await pushImage(writer, 'x', `${skew} ${writer.url}`)
        assert.equal(await targetOf(reader, 'x'), digest)
      }
    }
  })

  test('a tag that moves while another process answers from its cache is never answered as it was', async () => {
    const place = await registry.place('moving')
    const [a, b] = await registry.replicas(place, ['moving-a', 'moving-b'])
    assert.ok(a && b)
    await pushImage(a, 'hot', 'seed')
    const stop = new AbortController()
    const pulls = Array.from({ length: 8 }, () => pullUntil(b, stop.signal))
    try {
      for (let round = 0; round < (isLong ? 300 : 30); round++) {
        await pushImage(a, 'hot', `${round}`)
        assert.equal(await targetOf(b, 'hot'), digestOf(manifestOf(`${round}`)))
      }
    } finally {
      stop.abort()
      const counts = await Promise.all(pulls)
      assert.ok(counts.every((count) => count > 0))
    }
  })

  test('what a process has in its cache is not what it lets others delete', async () => {
    const place = await registry.place('deleted')
    const [a, b] = await registry.replicas(place, ['deleted-a', 'deleted-b'])
    assert.ok(a && b)
    const digest = await pushImage(a, 'one', 'one')
    const config = digestOf(configOf('one'))
    assert.equal((await ask(b, `blobs/${config}`, { method: 'HEAD' })).status, 200)
    assert.equal((await ask(a, `manifests/${digest}`, { method: 'DELETE' })).status, 202)
    assert.equal((await ask(a, `blobs/${config}`, { method: 'DELETE' })).status, 202)
    assert.equal((await ask(b, `blobs/${config}`, { method: 'HEAD' })).status, 404)
    const put = await ask(b, 'manifests/again', {
      method: 'PUT',
      headers: { 'content-type': manifestType },
      body: manifestOf('one'),
    })
    assert.equal(put.status, 400, put.body.toString())
    assert.match(put.body.toString(), /MANIFEST_BLOB_UNKNOWN/)
    await pushImage(b, 'again', 'one')
    assert.equal(await putManifest(a, 'more', 'one'), digest)
    assert.deepEqual(await tagsOf(a), ['again', 'more'])
  })
})

/** Pulls from warm caches, so that the process is busy with that. */
async function pullUntil(server: ServerProcess, signal: AbortSignal): Promise<number> {
  let count = 0
  while (!signal.aborted) {
    assert.ok(await targetOf(server, 'hot'))
    count += 1
  }
  return count
}

/** One writes, and the other sees it; then the other deletes, and the one sees that. */
async function exchange(writer: Door, reader: Door, round: number): Promise<void> {
  const [tag, text] = [`t${round % 3}`, `round ${round}`] as const
  const digest = await pushImage(writer, tag, text)
  for (const door of [reader, writer, reader]) {
    assert.equal(await targetOf(door, tag), digest)
    assert.ok((await tagsOf(door)).includes(tag))
    const head = await ask(door, `manifests/${tag}`, { method: 'HEAD' })
    assert.equal(head.headers.get('docker-content-digest'), digest)
    const config = digestOf(configOf(text))
    assert.equal((await ask(door, `blobs/${config}`, { method: 'HEAD' })).status, 200)
    assert.equal((await ask(door, `blobs/${config}`)).body.toString(), configOf(text))
  }
  assert.equal((await ask(reader, `manifests/${digest}`, { method: 'DELETE' })).status, 202)
  for (const door of [writer, reader]) {
    assert.equal(await targetOf(door, tag), undefined)
    assert.equal((await ask(door, `manifests/${digest}`)).status, 404)
    assert.equal((await tagsOf(door)).includes(tag), false)
  }
}

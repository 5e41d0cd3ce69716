import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, afterEach, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { s3Env } from '../support/s3-server.ts'
import { runTrow, type ServerProcess } from '../support/server-process.ts'
import { configOf, pushImage, targetOf } from './client.ts'
import { SharedRegistry, skipReplicas, type Place } from './shared-registry.ts'

suite('a registry whose database goes back in time', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  before(async () => {
    registry = await SharedRegistry.start()
  })
  afterEach(() => registry.end())
  after(() => registry.stop())

  async function copyOf(place: Place): Promise<Place> {
    const name = `copy${randomBytes(4).toString('hex')}`
    await registry.postgres.query('postgres', `create database ${name} template ${new URL(place.database).pathname.slice(1)}`)
    const database = registry.postgres.url(name)
    return { ...place, database, args: ['--database', database, ...place.args.slice(2)] }
  } // prettier-ignore

  async function says(server: ServerProcess, words: RegExp): Promise<void> {
    for (let tries = 0; !words.test(server.output()); tries++) {
      assert.ok(tries < 600, server.output())
      await sleep(50)
    }
  }

  test('processes that start on the restored copy say so, delete nothing and serve', async () => {
    const place = await registry.place('back')
    const first = await registry.replica(place, { name: 'back-a' })
    const old = await pushImage(first, 'old', configOf('x'.repeat(100_000)))
    await first.stop()
    const copy = await copyOf(place)
    const second = await registry.replica(place, { name: 'back-a' })
    await pushImage(second, 'new', configOf('y'.repeat(100_000)))
    await second.stop()

    const metricsPort = '--metrics-listen=127.0.0.1:0'
    const restored = await registry.replica(copy, { name: 'back-b', args: [metricsPort] })
    await says(restored, /the database has lost commits/)
    assert.equal(await targetOf(restored, 'old'), old)
    assert.equal((await fetch(`${restored.url}/readyz`)).status, 200)
    const [metrics] = /http:\/\/[\d.:]+\/metrics/.exec(restored.output()) ?? []
    const text = await (await fetch(metrics ?? '')).text()
    assert.match(text, /^trow_commits_lost_timestamp_seconds [1-9]\d+$/m)
    await says(restored, /nothing is collected now.*commits-lost/)
    for (const data of [registry.folder('back-b'), registry.folder('back-own')]) {
      const { code, output } = await runTrow(['gc', '--data', data, ...copy.args], { env: s3Env })
      assert.equal(code, 0, output)
      assert.match(output, /nothing is deleted before .*: the database has lost commits/)
    }
  })

  test('a backup moves everything, from servers that run, into another database and bucket', async () => {
    const [place, other] = [await registry.place('from'), await registry.place('into')]
    const a = await registry.replica(place, { name: 'from-a' })
    await registry.replica(place, { name: 'from-b' })
    const digest = await pushImage(a, 'one', configOf('x'.repeat(100_000)))
    const file = join(registry.root, 'registry.trowbackup')
    const made = await runTrow(['backup', file, '--data', registry.folder('from-b'), ...place.args], {
      env: s3Env,
    })
    assert.equal(made.code, 0, made.output)
    const into = ['--data', registry.folder('into-a'), ...other.args]
    const back = await runTrow(['restore', file, ...into], { env: s3Env })
    assert.equal(back.code, 0, back.output)
    const refused = await runTrow(['restore', file, '--data', registry.folder('into-c'), ...other.args], {
      env: s3Env,
    })
    assert.match(refused.output, /the database holds a registry already/)
    const server = await registry.replica(other, { name: 'into-b' })
    assert.equal(await targetOf(server, 'one'), digest)
    const checked = await runTrow(['fsck', ...into], { env: s3Env })
    assert.equal(checked.code, 0, checked.output)
    assert.match(checked.output, /all is well/)

    const alone = await runTrow(['restore', file, '--data', registry.folder('folder')], { env: s3Env })
    assert.equal(alone.code, 0, alone.output)
    assert.match((await runTrow(['fsck', '--data', registry.folder('folder')])).output, /all is well/)
  })
})

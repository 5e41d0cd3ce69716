import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite, test } from 'node:test'
import { image, config, layer, push, pushBlob } from '../enforcement/images.ts'
import { denying, exception, policy } from '../enforcement/test-feed.ts'
import { RawSocket } from '../http/raw-socket.ts'
import { eventually, PolicyServer } from './policy-server.ts'

const app = image([config('amd64'), layer('app')])
const bad = layer('bad')
const name = 'prod/app'
const pull = `/v2/${name}/manifests/${app.digest}`
const faults = new URL('../support/planned-faults.ts', import.meta.url)
const clock = new URL('../support/set-clock.ts', import.meta.url)
const hour = 3_600_000

async function statusOf(registry: PolicyServer, path = pull): Promise<number> {
  return (await registry.send('GET', path)).status
}

suite('a worker that is killed', () => {
  test('while things are pushed has the policies before it serves again', async () => {
    await using registry = await new PolicyServer().start({
      args: ['--workers', '2'],
      preload: faults,
    })
    await push(registry, name, app)
    registry.write('deny.json', [denying(app.digest, { deny: [app, bad].map(denyOf) })])
    await eventually(async () => (await statusOf(registry)) === 403, 'the image is denied')
    const found = new Map<number, number>()
    const end = new AbortController()
    const asking = Array.from({ length: 8 }, async (_, place) => {
      while (!end.signal.aborted) {
        try {
          const answer =
            place % 2 === 0 ? await registry.send('GET', pull) : await pushBlob(registry, name, bad)
          found.set(answer.status, (found.get(answer.status) ?? 0) + 1)
        } catch {
          // Connections of the worker that dies are cut.
        }
      }
    })
    const replaced = (): number => registry.server.output().split('a worker is replaced').length - 1
    for (let deaths = 0; deaths < 4; deaths++) {
      const socket = new RawSocket(Number(new URL(registry.server.url).port))
      socket.send('GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Die: now\r\n\r\n')
      await socket.ended()
      await eventually(() => replaced() > deaths, 'the worker is replaced')
      // The next one dies as late as a new one serves.
      await sleep(700)
    }
    end.abort()
    await Promise.all(asking)
    assert.deepEqual([...found.keys()], [403], JSON.stringify([...found]))
  })
})

suite('the thread that reads the policies', () => {
  test('dies: requests are judged by what was in force, and its successor goes on', async () => {
    await using registry = new PolicyServer()
    const die = join(registry.root, 'die')
    await registry.start({ env: { DIE_POLICIES: die }, preload: faults })
    await push(registry, name, app)
    registry.write('deny.json', [denying(app.digest)])
    await eventually(async () => (await statusOf(registry)) === 403, 'the image is denied')
    const { generation } = await registry.status()
    writeFileSync(die, '')
    await eventually(() => registry.server.output().includes('the policies has died'), 'it dies')
    assert.equal(await statusOf(registry), 403)
    assert.equal(await statusOf(registry, '/readyz'), 200)
    // One answer of the metrics is given for a second.
    await eventually(async () => (await registry.metric('trow_policy_source_up')) === 0, 'metrics say so')
    const { status, answer } = await registry.ask('/policy/status')
    assert.ok(status === 200 || (answer as { code: string }).code === 'POLICY_AWAY', JSON.stringify(answer))
    rmSync(die)
    await eventually(async () => (await registry.status()).generation !== undefined, 'it is replaced')
    assert.equal((await registry.status()).generation, generation)
    assert.ok((await registry.metric('trow_policy_restarts_total')) >= 1)
    registry.write('deny.json', [policy({})])
    await eventually(async () => (await statusOf(registry)) === 200, 'changes are seen again')
    await push(registry, 'other', app)
  })
})

suite('a clock that jumps', () => {
  test('ends exceptions and revives none, over a restart either', async () => {
    await using registry = new PolicyServer()
    const ahead = join(registry.root, 'ahead')
    const options = { env: { CLOCK_AHEAD: ahead }, preload: clock }
    await registry.start(options)
    await push(registry, name, app)
    const images = [{ digest: app.digest }]
    const lifting = (hours: number, label: string): object =>
      exception(
        { images, overrideDeny: true, expires: new Date(Date.now() + hours * hour).toISOString() },
        label,
      )
    registry.write('deny.json', [denying(app.digest)])
    await eventually(async () => (await statusOf(registry)) === 403, 'the image is denied')
    registry.write('lift.json', [lifting(1, 'short')])
    await eventually(async () => (await statusOf(registry)) === 200, 'the exception is in force')
    const { generation = 0 } = await registry.status()
    writeFileSync(ahead, String(2 * hour))
    await eventually(async () => (await statusOf(registry)) === 403, 'the exception has ended')
    await eventually(async () => {
      const status = await registry.status()
      // Each worker has confirmed it: a busy one may be a moment late.
      return (status.generation ?? 0) > generation && status.ok
    }, 'it is taken out')
    rmSync(ahead)
    for (let tries = 0; tries < 30; tries++) {
      assert.equal(await statusOf(registry), 403, 'the clock is set back')
      await sleep(50)
    }
    await registry.stop()
    await registry.start(options)
    assert.equal(await statusOf(registry), 403, 'after a restart with the clock set back')
    await registry.stop()
    writeFileSync(ahead, String(-5 * hour))
    await registry.start(options)
    assert.equal(await statusOf(registry), 403, 'after a restart with the clock set back further')
    rmSync(ahead)
    registry.write('lift.json', [lifting(3, 'another')])
    await eventually(async () => (await statusOf(registry)) === 200, 'another exception holds')
  })
})

function denyOf({ sha256: digest }: { readonly sha256: string }): object {
  return { digest, reason: 'CVE-2024-3094' }
}

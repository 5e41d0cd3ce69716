import assert from 'node:assert/strict'
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { image, config, layer, push, pushManifest } from '../enforcement/images.ts'
import { denying, policy } from '../enforcement/test-feed.ts'
import { startServer } from '../support/server-process.ts'
import { eventually, PolicyServer } from './policy-server.ts'

const app = image([config('amd64'), layer('app')])
const name = 'prod/app'
const pull = `/v2/${name}/manifests/${app.digest}`

async function statusOf(registry: PolicyServer, path = pull): Promise<number> {
  return (await registry.send('GET', path)).status
}

suite('a file that is broken', () => {
  test('leaves what it last said in force, and status, metrics and log say why', async () => {
    await using registry = await new PolicyServer().start()
    await push(registry, name, app)
    registry.write('deny.json', [denying(app.digest)])
    await eventually(async () => (await statusOf(registry)) === 403, 'the image is denied')
    const before = await registry.status()
    assert.equal(before.ok, true)
    registry.write('deny.json', '{ "kind": "TrowPolicy"')
    await eventually(async () => !(await registry.status()).ok, 'the broken file is seen')
    const after = await registry.status()
    assert.equal(await statusOf(registry), 403)
    assert.equal(after.generation, before.generation)
    assert.equal(after.hash, before.hash)
    const [unit] = after.units
    assert.equal(unit?.name, 'deny.json')
    assert.equal(unit?.problems.length, 1)
    assert.equal(unit?.problems[0]?.place?.line, 1)
    assert.equal(unit?.objects[0]?.name, 'p', 'what was last good of it')
    assert.equal(await registry.metric('trow_policy_rejected_units'), 1)
    assert.equal(await registry.metric('trow_policy_generation'), before.generation)
    assert.equal(await registry.metric('trow_policy_policies'), 1)
    const labels = 'point="pull",policy="p",mode="enforce",decision="deny",reason="DENY_LIST"'
    assert.ok((await registry.metric(`trow_policy_decisions_total{${labels}}`)) >= 2)
    assert.equal(await registry.metric('trow_policy_source_up'), 1)
    assert.match(registry.server.output(), /TrowPolicy\/p was created/)
    assert.match(registry.server.output(), /a policy is broken: what was last good of it stays/)
    registry.write('deny.json', [policy({})])
    await eventually(async () => (await statusOf(registry)) === 200, 'the mended file is in force')
    assert.equal((await registry.status()).ok, true)
  })
})

suite('a start', () => {
  test('without the folder goes on with what was last good, and says so', async () => {
    await using registry = await new PolicyServer().start()
    await push(registry, name, app)
    registry.write('deny.json', [denying(app.digest)])
    await eventually(async () => (await statusOf(registry)) === 403, 'the image is denied')
    const { generation } = await registry.status()
    await registry.stop()
    renameSync(registry.policies, `${registry.policies}-away`)
    await registry.start()
    assert.equal(await statusOf(registry), 403, 'from the first request on')
    assert.equal(await statusOf(registry, '/readyz'), 200)
    const status = await registry.status()
    assert.equal(status.fromDisk, true)
    assert.equal(status.ok, false)
    assert.match(status.away ?? '', /ENOENT/)
    assert.equal(status.generation, generation)
    assert.equal(await registry.metric('trow_policy_source_up'), 0)
    renameSync(`${registry.policies}-away`, registry.policies)
    registry.remove('deny.json')
    await eventually(async () => (await statusOf(registry)) === 200, 'the folder is read again')
  })

  test('with policies that were never read is not ready, and gives out and takes nothing', async () => {
    await using registry = new PolicyServer()
    registry.write('deny.json', 'kind: [')
    await registry.start()
    const ready = await registry.send('GET', '/readyz')
    assert.equal(ready.status, 503)
    assert.deepEqual((JSON.parse(ready.text) as { policies: unknown }).policies, {
      ok: false,
      reason: 'the policies have not been read yet',
    })
    assert.equal(await statusOf(registry, '/livez'), 200)
    for (const answer of [
      await registry.send('POST', `/v2/${name}/blobs/uploads/`),
      await registry.send('POST', `/v2/${name}/blobs/uploads/?digest=${app.digest}`, { body: app.bytes }),
      await pushManifest(registry, name, app),
    ]) {
      assert.equal(answer.status, 503)
      assert.equal(answer.code, 'UNAVAILABLE')
      assert.match(answer.message, /the policies have not been read yet/)
    }
    registry.write('deny.json', [policy({})])
    await eventually(async () => (await statusOf(registry, '/readyz')) === 200, 'it is ready')
    await push(registry, name, app)
  })

  test('without policies in its settings judges nothing, keeps nothing and answers as ever', async () => {
    await using registry = new PolicyServer()
    registry.write('deny.json', [denying(app.digest)])
    const server = await startServer({ data: registry.data })
    assert.ok(!('died' in server))
    try {
      const ready = await (await fetch(`${server.url}/readyz`)).json()
      assert.deepEqual(Object.keys(ready as object), ['read', 'write', 'maintenance'])
      const { status, answer } = await registry.ask('/policy/status')
      assert.equal(status, 409)
      assert.equal((answer as { code: string }).code, 'POLICY_OFF')
    } finally {
      await server.stop()
    }
  })

  test('that cannot tell which exceptions have ended is refused', async () => {
    await using registry = new PolicyServer()
    mkdirSync(join(registry.data, 'policies'), { recursive: true })
    writeFileSync(join(registry.data, 'policies', 'clock.json'), '{}')
    const server = await startServer({ data: registry.data, args: ['--policy-dir', registry.policies] })
    assert.ok('died' in server)
    assert.match(server.died, /data\/policies cannot be used: .*\(POLICY_STATE_UNUSABLE\)[^]*clock\.json/)
  })

  test('with two sources of policies is refused', async () => {
    await using registry = new PolicyServer()
    const args = ['--policy-dir', registry.policies, '--policy-cluster']
    const server = await startServer({ data: registry.data, args })
    assert.ok('died' in server)
    assert.match(server.died, /--policy-dir and --policy-cluster exclude each other \(POLICY_SOURCES\)/)
  })
})

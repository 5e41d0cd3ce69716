import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { get, type IncomingMessage } from 'node:http'
import { after, afterEach, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { s3Error, startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { s3Env } from '../support/s3-server.ts'
import { runTrow } from '../support/server-process.ts'
import { startTcpSwitch, type TcpSwitch } from '../support/tcp-switch.ts'
import { ask, digestOf, patient, pushImage, repository, targetOf, Upload, type Door } from './client.ts'
import { SharedRegistry, skipReplicas, type Place } from './shared-registry.ts'

const warning = '110 - "Response is Stale"'
const isBlob = ({ method, url = '' }: IncomingMessage): boolean => method === 'GET' && url.includes('/blobs/')

suite('an engine that fails behind a process', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  let standby: PostgresServer
  /** The ways to PostgreSQL and to S3. */
  let way: TcpSwitch
  let proxy: FaultProxy
  before(async () => {
    registry = await SharedRegistry.start()
    standby = await registry.postgres.standby()
    way = await startTcpSwitch(registry.postgres.port)
    proxy = await startFaultProxy(registry.s3.endpoint)
  })
  afterEach(async () => {
    proxy.plan = () => undefined
    way.lead(registry.postgres.port)
    await registry.end()
  })
  after(async () => {
    await way.close()
    await proxy.close()
    await standby.stop()
    await registry.stop()
  })

  async function behind(name: string, user = 'postgres'): Promise<Place> {
    const place = await registry.place(name)
    const database = `postgres://${user}@127.0.0.1:${way.port}${new URL(place.database).pathname}`
    const args = ['--database', database, `--s3=s3://${place.bucket}/sub`, '--s3-endpoint', proxy.endpoint]
    return { ...place, database, args }
  }
  async function pushLayer(door: Door, content: Uint8Array): Promise<string> {
    const upload = await Upload.open(door)
    assert.equal((await upload.patch(door, content)).status, 202)
    assert.equal((await upload.close(door, digestOf(content))).status, 201)
    return digestOf(content)
  }

  test('PostgreSQL that becomes a standby is away, and is looked for anew', async () => {
    const a = await registry.replica(await behind('demoted'), { name: 'demoted-a' })
    const old = await pushImage(a, 'one', 'old')
    assert.equal(await targetOf(a, 'one'), old)
    // What it has not heard of is not missed.
    way.lead(standby.port)
    const { status, headers } = await ask(a, 'manifests/one')
    assert.equal(status, 200)
    assert.equal(headers.get('warning'), warning)
    const refused = await ask(a, 'blobs/uploads/', { method: 'POST' })
    assert.equal(refused.status, 503, refused.body.toString())
    assert.ok(refused.headers.has('retry-after'))
    assert.equal((await fetch(`${a.url}/readyz`)).status, 200)
    way.lead(registry.postgres.port)
    const next = await pushImage(patient(a), 'one', 'new')
    assert.equal(await targetOf(patient(a), 'one'), next)
  })

  test('PostgreSQL without a free connection is waited for, and then 503', async () => {
    const place = await behind('full', 'app')
    const name = new URL(place.database).pathname.slice(1)
    await registry.postgres.query('postgres', 'create role app login')
    await registry.postgres.query('postgres', `alter database ${name} owner to app`)
    await registry.postgres.query(name, 'grant all on schema public to app')
    const a = await registry.replica(place, { name: 'full-a' })
    const digest = await pushImage(a, 'one', 'one')
    assert.equal(await targetOf(a, 'one'), digest)
    await registry.postgres.query('postgres', 'alter role app connection limit 0')
    way.cut()
    const put = { method: 'POST', body: 'x' }
    const refused = await ask(a, `blobs/uploads/?digest=${digestOf('x')}`, put)
    assert.equal(refused.status, 503, refused.body.toString())
    assert.ok(refused.headers.has('retry-after'))
    // Who comes when connections get free within five seconds is not refused.
    const waiting = ask(a, `blobs/uploads/?digest=${digestOf('x')}`, put)
    await sleep(1000)
    await registry.postgres.query('postgres', 'alter role app connection limit -1')
    assert.equal((await waiting).status, 201)
  })

  test('a layer that is on its way streams on without PostgreSQL', async () => {
    const a = await registry.replica(await behind('streaming'), { name: 'streaming-a' })
    const content = randomBytes(30_000_000)
    const digest = await pushLayer(a, content)
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${a.url}/v2/${repository}/blobs/${digest}`, resolve).once('error', reject)
    })
    way.lead(undefined)
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    assert.equal(digestOf(Buffer.concat(chunks)), digest)
  })

  test('S3 that fails before the first byte of a layer is 503, one that breaks off for good cuts it', async () => {
    const a = await registry.replica(await behind('broken'), { name: 'broken-a' })
    const content = randomBytes(3_000_000)
    const digest = await pushLayer(a, content)
    proxy.plan = (request) =>
      isBlob(request) ? { kind: 'answer', status: 503, body: s3Error('SlowDown') } : undefined
    const refused = await ask(a, `blobs/${digest}`)
    assert.equal(refused.status, 503)
    assert.match(refused.body.toString(), /UNAVAILABLE/)
    assert.ok(refused.headers.has('retry-after'))
    // Its own retries use up what the first answer left.
    let asked = 0
    proxy.plan = (request) => {
      if (!isBlob(request)) return undefined
      return asked++ === 0
        ? { kind: 'cut', after: 1_000_000 }
        : { kind: 'answer', status: 503, body: s3Error('SlowDown') }
    }
    await assert.rejects(ask(a, `blobs/${digest}`))
    proxy.plan = () => undefined
    assert.ok((await ask(a, `blobs/${digest}`)).body.equals(content))
  })

  test('what a process had written when it was killed before its commit goes after a day', async () => {
    const place = await behind('orphan')
    const a = await registry.replica(place, { name: 'orphan-a' })
    await pushImage(a, 'one', 'one')
    const kept = randomBytes(300_000)
    const layer = await pushLayer(a, kept)
    const objects = (): Promise<string[]> => registry.s3.names(place.bucket, 'sub/blobs/')
    const before = await objects()
    const content = randomBytes(400_000)
    // The object is there, and its process is not any more.
    const dead = new Promise<void>((resolve) => {
      proxy.plan = ({ method }) => {
        if (method !== 'PUT') return undefined
        proxy.plan = () => undefined
        setTimeout(() => void a.kill().then(resolve), 300)
        return { kind: 'slow', delay: 60_000 }
      }
    })
    const push = fetch(`${a.url}/v2/${repository}/blobs/uploads/?digest=${digestOf(content)}`, {
      method: 'POST',
      body: new Uint8Array(content),
    })
    await assert.rejects(push)
    await dead
    const [orphan] = (await objects()).filter((name) => !before.includes(name))
    assert.ok(orphan !== undefined, 'the object was written')
    const collect = async (): Promise<void> => {
      const own = ['--data', registry.folder('orphan-own'), ...place.args, '--delete-delay', '0s']
      const { code, output } = await runTrow(['gc', ...own, '--gc-grace', '1h'], { env: s3Env })
      assert.equal(code, 0, output)
    }
    await collect()
    assert.deepEqual(await objects(), [...before, orphan].sort(), 'it may belong to a push that is under way')
    const yesterday = new Date(Date.now() - 25 * 3_600_000).toISOString()
    const change = (body: string): string =>
      body.replaceAll(/(<LastModified>)[^<]*/g, (_, tag) => `${tag}${yesterday}`)
    proxy.plan = ({ url = '' }) => (url.includes('list-type=2') ? { kind: 'edit', change } : undefined)
    await collect()
    proxy.plan = () => undefined
    assert.deepEqual(await objects(), before)
    const b = await registry.replica(place, { name: 'orphan-b' })
    assert.equal((await ask(b, `blobs/${digestOf(content)}`)).status, 404)
    assert.ok((await ask(b, `blobs/${layer}`)).body.equals(kept))
  })
})

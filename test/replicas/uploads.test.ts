import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { after, afterEach, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { ask, digestOf, slowPatch, Upload, type Door } from './client.ts'
import { SharedRegistry, skipReplicas, type Place } from './shared-registry.ts'

/** A process writes its mark of commits into the bucket, too. */
const isContent = ({ method, url = '' }: IncomingMessage): boolean =>
  method === 'PUT' && /\/(blobs|parts)\//.test(url)

suite('an upload at several processes', { skip: skipReplicas }, () => {
  let registry: SharedRegistry
  let proxy: FaultProxy
  before(async () => {
    registry = await SharedRegistry.start()
    proxy = await startFaultProxy(registry.s3.endpoint)
  })
  afterEach(() => {
    proxy.plan = () => undefined
    return registry.end()
  })
  after(async () => {
    await proxy.close()
    await registry.stop()
  })

  async function holds(door: Door, content: Uint8Array): Promise<void> {
    const { status, body } = await ask(door, `blobs/${digestOf(content)}`)
    assert.equal(status, 200)
    assert.ok(body.equals(content))
  }
  const query = (place: Place, text: string): Promise<Record<string, unknown>[]> =>
    registry.postgres.query(new URL(place.database).pathname.slice(1), text)
  /** As if nothing had been heard of the holder for longer than a claim lasts. */
  const silence = (place: Place): Promise<unknown> =>
    query(place, `update upload set heard_at = clock_timestamp() - interval '16 seconds'`)
  async function isHeld(place: Place): Promise<void> {
    for (let tries = 0; ; tries++) {
      if ((await query(place, 'select 1 from upload where holder is not null')).length > 0) return
      assert.ok(tries < 200, 'nobody has claimed the upload')
      await sleep(20)
    }
  }

  /** Stops the process when it sends the first such request to S3. Resolves once it is stopped. */
  function stopAt(server: ServerProcess, matches: (request: IncomingMessage) => boolean): Promise<void> {
    return new Promise((resolve) => {
      proxy.plan = (request) => {
        if (!matches(request)) return undefined
        proxy.plan = () => undefined
        process.kill(server.pid, 'SIGSTOP')
        resolve()
        return undefined
      }
    })
  }
  /** A process whose way to S3 is the proxy; the others have a straight one. */
  const throughProxy = (place: Place, name: string): Promise<ServerProcess> => {
    const args = place.args.map((arg) => (arg === registry.s3.endpoint ? proxy.endpoint : arg))
    return registry.replica({ ...place, args }, { name })
  }

  test('begins at one, goes on at another and ends at a third, whatever the size of its chunks', async () => {
    const place = await registry.place('chunks')
    const [a, b, c] = await registry.replicas(place, ['chunks-a', 'chunks-b', 'chunks-c'])
    assert.ok(a && b && c)
    for (const sizes of [
      [10, 20],
      [300_000, 10],
      [5_300_000, 70_000],
    ]) {
      const chunks = sizes.map((size) => randomBytes(size))
      const upload = await Upload.open(a)
      assert.equal((await upload.patch(a, chunks[0] ?? Buffer.alloc(0))).status, 202)
      assert.equal(await upload.status(c), sizes[0])
      assert.equal((await upload.patch(b, chunks[1] ?? Buffer.alloc(0))).status, 202)
      const content = Buffer.concat(chunks)
      assert.equal((await upload.close(c, digestOf(content))).status, 201)
      for (const door of [a, b, c]) await holds(door, content)
      // A client whose answer was lost asks another process once more.
      assert.equal((await upload.close(b, digestOf(content))).status, 201)
    }
  })

  test('goes on elsewhere when its process is killed between two chunks, and within one', async () => {
    const place = await registry.place('killed')
    const [a, b] = await registry.replicas(place, ['killed-a', 'killed-b'])
    assert.ok(a && b)
    const [first, second] = [randomBytes(400_000), randomBytes(300_000)]
    const [between, within] = [await Upload.open(a), await Upload.open(a)]
    assert.equal((await between.patch(a, first)).status, 202)
    assert.equal((await within.patch(a, first)).status, 202)
    const cut = slowPatch(a, within, second.length)
    await cut.send(second.subarray(0, 200_000))
    await isHeld(place)
    await a.kill()
    assert.equal(await cut.answer, 'lost')

    const content = Buffer.concat([first, second])
    assert.equal((await between.patch(b, second)).status, 202)
    assert.equal((await between.close(b, digestOf(content))).status, 201)
    // Nothing is heard of the killed one any more.
    await silence(place)
    within.offset = await within.status(b)
    assert.equal(within.offset, first.length)
    assert.equal((await within.patch(b, second)).status, 202)
    assert.equal((await within.close(b, digestOf(content))).status, 201)
    await holds(b, content)
  })

  test('that a process holds is let go when another asks', async () => {
    const place = await registry.place('held')
    const [a, b] = await registry.replicas(place, ['held-a', 'held-b'])
    assert.ok(a && b)
    const content = randomBytes(500_000)
    const upload = await Upload.open(a)
    const slow = slowPatch(a, upload, content.length)
    await slow.send(content.subarray(0, 200_000))
    await isHeld(place)
    // An empty chunk, so that the offset at B is what A has taken.
    const asking = fetch(upload.url(b), { method: 'PATCH', body: new Uint8Array(0) })
    const answer = await slow.answer
    assert.ok(answer !== 'lost' && answer.status === 400, JSON.stringify(answer))
    assert.match(answer.text, /another request has taken over this upload/)
    assert.equal((await asking).status, 202)
    upload.offset = await upload.status(b)
    assert.equal(upload.offset, 200_000)
    assert.equal((await upload.patch(b, content.subarray(upload.offset))).status, 202)
    assert.equal((await upload.close(b, digestOf(content))).status, 201)
    await holds(a, content)
  })

  test('is cancelled by one while another writes to it, and leaves nothing', async () => {
    const place = await registry.place('cancelled')
    const [a, b] = await registry.replicas(place, ['cancelled-a', 'cancelled-b'])
    assert.ok(a && b)
    const content = randomBytes(500_000)
    const upload = await Upload.open(a)
    assert.equal((await upload.patch(a, content.subarray(0, 300_000))).status, 202)
    const slow = slowPatch(a, upload, 200_000)
    await slow.send(content.subarray(300_000, 400_000))
    await isHeld(place)
    assert.equal((await upload.cancel(b)).status, 204)
    await slow.send(content.subarray(400_000))
    slow.end()
    const answer = await slow.answer
    assert.ok(answer !== 'lost' && answer.status === 400, JSON.stringify(answer))
    for (const door of [a, b]) assert.equal((await fetch(upload.url(door))).status, 404)
    for (const door of [a, b]) assert.equal((await upload.close(door, digestOf(content))).status, 404)
    const [left] = await query(place, 'select count(*)::int as count from pending_delete')
    assert.ok(Number(left?.['count']) > 0, 'its bytes go')
  })

  test('a chunk of a process that comes back late changes nothing', async () => {
    const place = await registry.place('late-chunk')
    const [a, b] = [
      await throughProxy(place, 'late-chunk-a'),
      await registry.replica(place, { name: 'late-chunk-b' }),
    ]
    const [theirs, ours] = [randomBytes(300_000), randomBytes(300_000)]
    const upload = await Upload.open(a)
    const stopped = stopAt(a, isContent)
    // Without a range, so that the process keeps the state of its hash.
    const late = slowPatch(a, upload, theirs.length)
    await late.send(theirs)
    late.end()
    await stopped
    await silence(place)
    assert.equal((await fetch(upload.url(b), { method: 'PATCH', body: new Uint8Array(ours) })).status, 202)
    process.kill(a.pid, 'SIGCONT')
    const answer = await late.answer
    assert.ok(answer !== 'lost' && answer.status === 400, JSON.stringify(answer))
    assert.match(answer.text, /another request has taken over this upload/)
    assert.equal(await upload.status(a), ours.length)
    // The late one has hashed its own bytes: they are no proof of what the upload holds.
    assert.equal((await upload.close(a, digestOf(ours))).status, 201)
    await holds(b, ours)
    assert.equal((await ask(b, `blobs/${digestOf(theirs)}`)).status, 404)
  })

  for (const [name, isRight] of [
    ['closing request', true],
    ['closing request with a wrong digest', false],
  ] as const) {
    test(`a ${name} that comes back late changes nothing`, async () => {
      const label = isRight ? 'late-close' : 'late-wrong'
      const place = await registry.place(label)
      const [a, b] = [
        await throughProxy(place, `${label}-a`),
        await registry.replica(place, { name: `${label}-b` }),
      ]
      const chunks = [randomBytes(300_000), randomBytes(200_000), randomBytes(100_000)] as const
      const upload = await Upload.open(a)
      assert.equal((await upload.patch(a, chunks[0])).status, 202)
      const early = Buffer.concat([chunks[0], chunks[1]])
      const stopped = stopAt(a, ({ method, url = '' }) => method === 'PUT' && url.includes('/parts/'))
      const late = fetch(`${upload.url(a)}?digest=${digestOf(isRight ? early : 'another')}`, {
        method: 'PUT',
        body: new Uint8Array(chunks[1]),
      })
      await stopped
      await silence(place)
      assert.equal((await upload.patch(b, chunks[2])).status, 202)
      process.kill(a.pid, 'SIGCONT')
      assert.ok([400, 404].includes((await late).status))
      const content = Buffer.concat([chunks[0], chunks[2]])
      assert.equal(await upload.status(b), content.length)
      assert.equal((await upload.close(b, digestOf(content))).status, 201)
      await holds(b, content)
      assert.equal((await ask(b, `blobs/${digestOf(early)}`)).status, 404)
    })
  }
})

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { after, before, beforeEach, suite, test, type TestContext } from 'node:test'
import type { BlobStore } from '../../../src/blobs/blob-store.ts'
import { Retries } from '../../../src/blobs/s3/retries.ts'
import { S3BlobStore } from '../../../src/blobs/s3/s3-blob-store.ts'
import { S3Client } from '../../../src/blobs/s3/s3-client.ts'
import { S3Objects } from '../../../src/blobs/s3/s3-objects.ts'
import { missing } from '../../requirements.ts'
import { s3Error, startFaultProxy, type Fault, type FaultProxy } from '../../support/fault-proxy.ts'
import { s3Keys, s3Programs, startS3Server, type S3Server } from '../../support/s3-server.ts'
import { assertSame, readAll, readAndClose, stage } from '../blob-store-contract.ts'

suite('an S3 server with faults', { skip: missing(...s3Programs) }, () => {
  let server: S3Server
  let bucket: string
  let proxy: FaultProxy
  before(async () => {
    server = await startS3Server()
    bucket = await server.bucket('faults')
    proxy = await startFaultProxy(server.endpoint)
  })
  after(async () => {
    await proxy.close()
    await server.stop()
  })
  beforeEach(() => {
    proxy.plan = () => undefined
    proxy.requests.length = 0
  })

  function openStore(t: TestContext): { store: BlobStore; objects: S3Objects } {
    const location = { ...server.location(bucket), endpoint: proxy.endpoint }
    // No waiting: only the number of attempts matters.
    const objects = new S3Objects(new S3Client(location, s3Keys, new Retries(() => 0)))
    const store = new S3BlobStore({ objects, partBytes: 64 * 2 ** 20, room: () => Promise.resolve(Infinity) })
    t.after(() => store.close())
    return { store, objects }
  }

  /** The first `count` requests that match get the fault. */
  function planFirst(count: number, matches: (request: IncomingMessage) => boolean, fault: Fault): void {
    let left = count
    proxy.plan = (request) => (left > 0 && matches(request) ? (left--, fault) : undefined)
  }
  const isPut = ({ method }: IncomingMessage): boolean => method === 'PUT'
  const isGet = ({ method }: IncomingMessage): boolean => method === 'GET'
  const isComplete = ({ method, url = '' }: IncomingMessage): boolean =>
    method === 'POST' && url.includes('uploadId=')

  for (const [name, fault] of [
    ['500', { kind: 'answer', status: 500, body: s3Error('InternalError') }],
    ['503 SlowDown', { kind: 'answer', status: 503, body: s3Error('SlowDown') }],
    ['429 without a document', { kind: 'answer', status: 429, body: '' }],
    ['a connection that is closed', { kind: 'silence' }],
  ] as const satisfies (readonly [string, Fault])[]) {
    test(`${name}: reads and writes are repeated, and the client sees nothing of it`, async (t) => {
      const { store } = openStore(t)
      const content = randomBytes(100_000)
      planFirst(3, isPut, fault)
      const staged = await stage(store, content)
      planFirst(3, isGet, fault)
      assertSame(await readAndClose(await store.open(staged.key)), content)
    })
  }

  test('a server that goes on failing is UNAVAILABLE after a few attempts', async (t) => {
    const { store } = openStore(t)
    proxy.plan = () => ({ kind: 'answer', status: 503, body: s3Error('SlowDown') })
    await assert.rejects(stage(store, randomBytes(1000)), { code: 'UNAVAILABLE', status: 503 })
    assert.ok(proxy.requests.length > 1 && proxy.requests.length < 10, `${proxy.requests.length} attempts`)
  })

  test('a budget ends retries when most requests fail', async (t) => {
    const { store } = openStore(t)
    proxy.plan = () => ({ kind: 'answer', status: 503, body: s3Error('SlowDown') })
    for (let round = 0; round < 60; round++) await assert.rejects(store.size('0'.repeat(32) as never))
    assert.ok(proxy.requests.length < 200, `${proxy.requests.length} requests for 60 reads`)
  })

  test('what is refused for good is asked once', async (t) => {
    const { store } = openStore(t)
    proxy.plan = () => ({ kind: 'answer', status: 403, body: s3Error('AccessDenied') })
    await assert.rejects(stage(store, randomBytes(1000)), { code: 'UNAVAILABLE' })
    assert.equal(proxy.requests.length, 1)
  })

  test('a bucket that is full is STORAGE_FULL', async (t) => {
    const { store } = openStore(t)
    proxy.plan = () => ({ kind: 'answer', status: 507, body: s3Error('XMinioStorageFull') })
    await assert.rejects(stage(store, randomBytes(1000)), { code: 'STORAGE_FULL', status: 507 })
  })

  test('a read that is cut again and again goes on where it was, of the same object', async (t) => {
    const { store, objects } = openStore(t)
    const content = randomBytes(5_000_000)
    const { key } = await stage(store, content)
    proxy.plan = (request) => (isGet(request) ? { kind: 'cut', after: 1_200_000 } : undefined)
    const seen: unknown[] = []
    const get = t.mock.method(objects, 'get')
    assertSame(await readAndClose(await store.open(key)), content)
    for (const call of get.mock.calls.slice(1)) seen.push(call.arguments[1].etag)
    assert.ok(seen.length >= 3)
    assert.ok(
      seen.every((etag) => typeof etag === 'string' && etag !== ''),
      'each continuation names the object',
    )
    const reader = await store.open(key)
    assertSame(
      await readAll(reader!.stream({ start: 100, end: 4_000_000 })),
      content.subarray(100, 4_000_001),
    )
    reader?.close()
  })

  test('an object that was replaced under a read is not mixed with the old one', async (t) => {
    const { store, objects } = openStore(t)
    const { key } = await stage(store, randomBytes(3_000_000))
    planFirst(1, isGet, { kind: 'cut', after: 1_000_000 })
    const reader = await store.open(key)
    await objects.put(`blobs/${key}`, randomBytes(3_000_000))
    await assert.rejects(readAll(reader!.stream()))
    reader?.close()
  })

  test('many answers that nobody reads leave connections for the others', { timeout: 120_000 }, async (t) => {
    const { store } = openStore(t)
    const { key } = await stage(store, randomBytes(3_000_000))
    for (let round = 0; round < 150; round++) (await store.open(key))?.close()
    assert.equal((await readAndClose(await store.open(key))).length, 3_000_000)
  })

  for (const [name, fault] of [
    ['an error inside the 200', { kind: 'replace', status: 200, body: s3Error('InternalError') }],
    ['no answer, though it was carried out', { kind: 'silence' }],
  ] as const) {
    test(`the completion of an upload with ${name}: the object is there, whole`, async (t) => {
      const { store } = openStore(t)
      const content = randomBytes(20_000_000)
      // The server does not know the upload any more, as MinIO does not after a completion.
      let completions = 0
      proxy.plan = (request) => {
        if (!isComplete(request)) return undefined
        return ++completions === 1 ? fault : { kind: 'answer', status: 404, body: s3Error('NoSuchUpload') }
      }
      const { key } = await stage(store, content)
      assert.equal(completions, 2)
      assertSame(await readAndClose(await store.open(key)), content)
    })
  }

  test('a completion of an upload that is lost is an error, and nothing of it stays', async (t) => {
    const { store, objects } = openStore(t)
    proxy.plan = (request) =>
      isComplete(request) ? { kind: 'answer', status: 404, body: s3Error('NoSuchUpload') } : undefined
    await assert.rejects(stage(store, randomBytes(20_000_000)), { code: 'UNAVAILABLE' })
    proxy.plan = () => undefined
    assert.deepEqual(await Array.fromAsync(objects.unfinished()), [])
  })

  test('bytes that were changed on the way are refused by the server', async (t) => {
    const { objects } = openStore(t)
    const uploadId = await objects.begin('wrong', 'CRC32')
    proxy.plan = () => ({ kind: 'alter' })
    await assert.rejects(objects.put('wrong', Buffer.from('x')), { status: 400 })
    await assert.rejects(objects.putPart({ name: 'wrong', uploadId }, 1, Buffer.from('x')), { status: 400 })
  })

  test('a server that does not say that it has compared a CRC32 is sent a SHA-256', async (t) => {
    const { objects } = openStore(t)
    const uploadId = await objects.begin('sums', 'CRC32')
    const hashes: unknown[] = []
    proxy.plan = ({ headers }) => {
      hashes.push(headers['x-amz-content-sha256'])
      return { kind: 'hide', header: 'x-amz-checksum-crc32' }
    }
    const contents = ['a', 'b', 'c'].map((text) => Buffer.from(text))
    const [a, b, c] = contents as [Buffer, Buffer, Buffer]
    await objects.put('sums', a)
    await objects.put('sums', b)
    await objects.putPart({ name: 'sums', uploadId }, 1, c)
    const sums = contents.map((content) => createHash('sha256').update(content).digest('hex'))
    assert.deepEqual(hashes, ['UNSIGNED-PAYLOAD', ...sums])
  })

  test('a clock that is wrong is set by the answer', async (t) => {
    const { objects } = openStore(t)
    const late = new Date(Date.now() + 3_600_000)
    let refusals = 0
    proxy.plan = (request) => {
      const date = String(request.headers['x-amz-date'])
      const hour = `${late.toISOString().slice(0, 13).replaceAll('-', '')}`
      if (date.startsWith(hour)) return { kind: 'answer', status: 200, body: '' }
      refusals++
      return {
        kind: 'answer',
        status: 403,
        body: s3Error('RequestTimeTooSkewed'),
        headers: { date: late.toUTCString() },
      }
    }
    await objects.put('a', Buffer.from('x'))
    await objects.put('b', Buffer.from('x'))
    assert.equal(refusals, 1)
  })

  test('a server that cannot copy parts is given the bytes', async (t) => {
    const { store } = openStore(t)
    const content = randomBytes(6_000_000)
    const staged = await stage(store, content)
    proxy.plan = (request) =>
      request.headers['x-amz-copy-source'] === undefined
        ? undefined
        : { kind: 'answer', status: 501, body: s3Error('NotImplemented') }
    const key = await store.publish({ ...staged, size: 5_500_000 })
    assertSame(await readAndClose(await store.open(key)), content.subarray(0, 5_500_000))
  })
})

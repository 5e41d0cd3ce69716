import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, suite, test, type TestContext } from 'node:test'
import type {
  BlobStore,
  ByteSource,
  Received,
  ReceiveOptions,
  StagedContent,
} from '../../../src/blobs/blob-store.ts'
import { S3BlobStore } from '../../../src/blobs/s3/s3-blob-store.ts'
import { S3Client } from '../../../src/blobs/s3/s3-client.ts'
import { S3Objects } from '../../../src/blobs/s3/s3-objects.ts'
import type { S3Location } from '../../../src/blobs/s3/s3-location.ts'
import { missing } from '../../requirements.ts'
import { s3Keys, s3Programs, startS3Server, type S3Server } from '../../support/s3-server.ts'
import {
  assertSame,
  blobStoreContract,
  listAll,
  pieces,
  readAndClose,
  receiveOptions,
  sourceOf,
  stage,
} from '../blob-store-contract.ts'

suite('blobs in S3', { skip: missing(...s3Programs) }, () => {
  let server: S3Server
  let bucket: string
  before(async () => {
    server = await startS3Server()
    bucket = await server.bucket('blobs')
  })
  after(() => server.stop())
  let stores = 0

  blobStoreContract('s3', async (t) => openStore(t).store)

  function openStore(
    t: TestContext,
    {
      location = server.location(bucket, `store-${stores++}/`),
      ...parts
    }: {
      readonly location?: S3Location | undefined
      readonly partBytes?: number
      readonly patience?: number
    } = {},
  ): { store: BlobStore; objects: S3Objects } {
    const objects = new S3Objects(new S3Client(location, s3Keys))
    const room = (): Promise<number> => Promise.resolve(Infinity)
    const store = new S3BlobStore({ objects, partBytes: 64 * 2 ** 20, room, ...parts })
    t.after(() => store.close())
    return { store, objects }
  }

  async function namesOf(objects: S3Objects): Promise<string[]> {
    return (await Array.fromAsync(objects.list(''))).map(({ name }) => name)
  }

  async function readStaged(store: BlobStore, { content }: Received): Promise<Buffer> {
    assert.ok(content.kind === 'staged')
    return readAndClose(await store.openStaged(content))
  }

  test('content of one request is one object, of several parts where it is large', async (t) => {
    const { store, objects } = openStore(t)
    const content = randomBytes(20_000_000)
    const staged = await stage(store, content)
    assert.deepEqual(await namesOf(objects), [`blobs/${staged.key}`])
    assert.equal(await store.publish(staged), staged.key)
    assertSame(await readAndClose(await store.open(staged.key)), content)
    assert.deepEqual(await Array.fromAsync(objects.unfinished()), [])
  })

  test('what is read is freed as it is passed on, so that many slow clients do not fill the memory', async (t) => {
    const { store } = openStore(t)
    const { key } = await stage(store, randomBytes(8_000_000))
    const reader = await store.open(key)
    assert.ok(reader !== undefined)
    let last: Uint8Array | undefined
    let freed = 0
    for await (const chunk of reader.stream()) {
      if (last?.buffer.byteLength === 0) freed += 1
      last = chunk
    }
    reader.close()
    assert.ok(freed > 50, `${freed} chunks`)
  })

  for (const [name, sizes, copies] of [
    ['large requests are composed inside S3', [6_000_000, 5_300_000, 100], 3],
    ['small requests are read once and written', [400_000, 100, 6_000_000], 0],
  ] as const) {
    test(`${name}, and leave nothing but the blob`, async (t) => {
      const { store, objects } = openStore(t)
      const content = sizes.map((size) => randomBytes(size))
      let staged: StagedContent | undefined
      for (const bytes of content) {
        const options = staged === undefined ? {} : { content: staged }
        const received = await store.receive(sourceOf(pieces(bytes, 60_000)), receiveOptions(options))
        assert.ok(received.content.kind === 'staged')
        staged = received.content
      }
      assert.ok(staged !== undefined)
      const copied = t.mock.method(objects, 'copyPart')
      const read = t.mock.method(objects, 'get')
      const key = await store.publish(staged)
      assert.equal(copied.mock.callCount(), copies)
      assert.equal(read.mock.callCount(), copies > 0 ? 0 : sizes.length)
      assert.notEqual(key, staged.key)
      assertSame(await readAndClose(await store.open(key)), Buffer.concat(content))
      await store.remove(staged.key)
      assert.deepEqual(await namesOf(objects), [`blobs/${key}`])
    })
  }

  for (const [length, isAnnounced] of [
    ['an announced length', true],
    ['no announced length', false],
  ] as const) {
    test(
      `clients that stand still leave room for another, with ${length}`,
      { timeout: 60_000 },
      async (t) => {
        const { store, objects } = openStore(t, { partBytes: 16 * 2 ** 20, patience: 20 })
        const goOn = Promise.withResolvers<void>()
        const contents = Array.from({ length: 6 }, () => randomBytes(10_000_000))
        async function* halting(content: Buffer): ByteSource {
          yield* sourceOf(pieces(content.subarray(0, 300_000), 60_000))
          await goOn.promise
          yield* sourceOf(pieces(content.subarray(300_000), 60_000))
        }
        const options = (): ReceiveOptions => receiveOptions(isAnnounced ? { expectedBytes: 10_000_000 } : {})
        const halted = contents.map((content) => store.receive(halting(content), options()))
        const content = randomBytes(10_000_000)
        const received = await store.receive(sourceOf(pieces(content, 60_000)), options())
        assertSame(await readStaged(store, received), content)
        goOn.resolve()
        for (const [index, { content: staged }] of (await Promise.all(halted)).entries()) {
          assert.ok(staged.kind === 'staged')
          const key = await store.publish(staged)
          assertSame(await readAndClose(await store.open(key)), contents[index] as Buffer)
          if (key !== staged.key) await store.remove(staged.key)
        }
        assert.equal((await namesOf(objects)).filter((name) => name.startsWith('blobs/')).length, 7)
      },
    )
  }

  test('nothing stays of a slow upload that fails', { timeout: 60_000 }, async (t) => {
    const { store, objects } = openStore(t, { partBytes: 8 * 2 ** 20, patience: 20 })
    const goOn = Promise.withResolvers<void>()
    async function* halting(): ByteSource {
      yield randomBytes(3000)
      await goOn.promise
      yield randomBytes(600_000)
    }
    const halted = store.receive(halting(), receiveOptions({ expectedBytes: 500_000 }))
    const { key } = await stage(store, randomBytes(10_000_000))
    goOn.resolve()
    await assert.rejects(halted, { code: 'SIZE_INVALID' })
    await store.remove(key)
    assert.deepEqual(await namesOf(objects), [])
  })

  test('what a request that was given up has written is no part of the upload', async (t) => {
    const { store } = openStore(t)
    const staged = await stage(store, Buffer.from('begun, '))
    const receive = async (text: string): Promise<StagedContent> => {
      const received = await store.receive(sourceOf([Buffer.from(text)]), receiveOptions({ content: staged }))
      assert.ok(received.content.kind === 'staged')
      return received.content
    }
    const [late, kept] = await Promise.all([receive('and forgotten'), receive('and kept')])
    assert.notEqual(late.parts, kept.parts)
    assert.equal(
      (await readAndClose(await store.open(await store.publish(kept)))).toString(),
      'begun, and kept',
    )
  })

  for (const where of ['under a prefix', 'in a whole bucket']) {
    test(`an upload ${where} that was never ended is given up after its time, and no other`, async (t) => {
      const isUnderPrefix = where === 'under a prefix'
      if (isUnderPrefix && server.isMinio)
        return t.skip('MinIO lists unfinished uploads of a whole bucket, and none of a prefix')
      const whole = isUnderPrefix ? undefined : server.location(await server.bucket('whole'))
      const { store, objects } = openStore(t, { location: whole })
      const old = await objects.begin('blobs/0123456789abcdef0123456789abcdef', 'CRC32')
      assert.equal(await store.dropUnfinished(Date.now() - 60_000), 0)
      assert.equal((await Array.fromAsync(objects.unfinished()))[0]?.uploadId, old)
      assert.equal(await store.dropUnfinished(Date.now() + 60_000), 1)
      assert.deepEqual(await Array.fromAsync(objects.unfinished()), [])
    })
  }

  test('objects of somebody else are not listed', async (t) => {
    const { store, objects } = openStore(t)
    for (const name of ['blobs/readme.txt', 'parts/x/1', 'other']) await objects.put(name, Buffer.from('x'))
    assert.deepEqual(await listAll(store), [])
  })
})

import assert from 'node:assert/strict'
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { suite, test, type TestContext } from 'node:test'
import type {
  BlobReader,
  BlobStore,
  ByteSource,
  DataKey,
  UploadContent,
  ReceiveOptions,
  StagedContent,
  StoredObject,
} from '../../src/blobs/blob-store.ts'
import { startHasher } from '../../src/blobs/hasher.ts'

/** Opens an empty store for one test and cleans it up with `t.after`. */
export type StoreOpener = (t: TestContext) => Promise<BlobStore>

export const nothing: UploadContent = { kind: 'inline', bytes: new Uint8Array(0) }

/**
 * Yields chunks that share one piece of memory, as the contract of `ByteSource` allows, and then throws
 * `failure`, if given.
 */
export async function* sourceOf(chunks: readonly Uint8Array[], failure?: Error): ByteSource {
  const memory = new Uint8Array(Math.max(0, ...chunks.map((chunk) => chunk.length)))
  for (const chunk of chunks) {
    memory.set(chunk)
    yield memory.subarray(0, chunk.length)
    memory.fill(0xee)
  }
  if (failure !== undefined) throw failure
}

/** `bytes` in pieces of `size` bytes. */
export function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  )
}

export function receiveOptions(options: Partial<ReceiveOptions> = {}): ReceiveOptions {
  return { content: nothing, hasher: startHasher('sha256'), inlineLimit: 0, ...options }
}

export async function stage(store: BlobStore, content: Uint8Array): Promise<StagedContent> {
  const { content: uploaded } = await store.receive(sourceOf(pieces(content, 50_000)), receiveOptions())
  assert.ok(uploaded.kind === 'staged')
  return uploaded
}

export async function readAll(source: ByteSource): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(Uint8Array.from(chunk))
  return Buffer.concat(chunks)
}

/** Compares content by digest, because a diff of megabytes would be unreadable. */
export function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assert.equal(actual.length, expected.length)
  assert.equal(sha256(actual), sha256(expected))
}

async function readContent(store: BlobStore, uploaded: UploadContent): Promise<Uint8Array> {
  if (uploaded.kind === 'inline') return uploaded.bytes
  const reader = await store.openStaged(uploaded)
  assert.ok(reader !== undefined)
  assert.equal(reader.size, uploaded.size)
  return await readAndClose(reader)
}

export async function readAndClose(reader: BlobReader | undefined): Promise<Buffer> {
  assert.ok(reader !== undefined, 'there is content')
  try {
    return await readAll(reader.stream())
  } finally {
    reader.close()
  }
}

export async function listAll(store: BlobStore): Promise<StoredObject[]> {
  const objects: StoredObject[] = []
  for await (const object of store.list()) objects.push(object)
  return objects
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** The contract of every blob store (`src/blobs/blob-store.ts`). */
export function blobStoreContract(name: string, open: StoreOpener): void {
  suite(`${name}: receiving`, () => receiving(open))
  suite(`${name}: interruptions`, () => interruptions(open))
  suite(`${name}: published content`, () => publishedContent(open))
}

function receiving(open: StoreOpener): void {
  test('content up to the inline limit stays in memory; one byte more is staged', async (t) => {
    const store = await open(t)
    const content = randomBytes(1000)
    const options = { inlineLimit: 1000 }
    const inline = await store.receive(sourceOf(pieces(content, 300)), receiveOptions(options))
    assert.equal(inline.content.kind, 'inline')
    assert.equal(inline.received, 1000)
    assertSame(await readContent(store, inline.content), content)
    assert.deepEqual(await listAll(store), [])
    const uploaded = inline.content
    const spilt = await store.receive(
      sourceOf([Buffer.of(7)]),
      receiveOptions({ ...options, content: uploaded }),
    )
    assert.equal(spilt.content.kind, 'staged')
    assert.equal(spilt.received, 1)
    assertSame(await readContent(store, spilt.content), Buffer.concat([content, Buffer.of(7)]))
  })

  test('an empty source leaves what is held as it is', async (t) => {
    const store = await open(t)
    const empty = await store.receive(sourceOf([]), receiveOptions())
    assert.deepEqual({ ...empty, content: empty.content.kind }, { received: 0, content: 'inline' })
    const staged = await stage(store, Buffer.from('staged'))
    const { key } = staged
    const uploaded: UploadContent = { kind: 'staged', key, size: 6 }
    assert.deepEqual(await store.receive(sourceOf([]), receiveOptions({ content: uploaded })), {
      received: 0,
      content: uploaded,
    })
  })

  test('content of every awkward size arrives whole, in chunks of every awkward size', async (t) => {
    const store = await open(t)
    for (const size of [1, 65_535, 65_536, 262_143, 262_144, 262_145, 1_000_003, 9_000_000]) {
      const content = randomBytes(size)
      for (const chunk of [size < 100_000 ? 7 : 65_536, 262_144, 700_001]) {
        const hasher = startHasher('sha256')
        const { content: uploaded, received } = await store.receive(
          sourceOf(pieces(content, chunk)),
          receiveOptions({ hasher }),
        )
        assert.equal(received, size)
        assert.equal(hasher.digest(), sha256(content))
        assertSame(await readContent(store, uploaded), content)
      }
    }
  })

  test('resumes behind what is held, under the same key, and feeds the hasher new bytes only', async (t) => {
    const store = await open(t)
    const first = randomBytes(400_000)
    const second = randomBytes(300_000)
    const staged = await stage(store, first)
    const { key } = staged
    const hasher = startHasher('sha512')
    const uploaded: UploadContent = { kind: 'staged', key, size: first.length }
    const answer = await store.receive(
      sourceOf(pieces(second, 9999)),
      receiveOptions({ content: uploaded, hasher }),
    )
    assert.ok(answer.content.kind === 'staged')
    assert.deepEqual([answer.received, answer.content.key, answer.content.size], [300_000, key, 700_000])
    assertSame(await readContent(store, answer.content), Buffer.concat([first, second]))
    assert.equal(hasher.digest(), `sha512:${createHash('sha512').update(second).digest('hex')}`)
  })

  test('bytes behind what is held are cut, also when nothing follows', async (t) => {
    const store = await open(t)
    const content = randomBytes(500_000)
    const staged = await stage(store, content)
    const { key } = staged
    const uploaded: UploadContent = { kind: 'staged', key, size: 300_000 }
    const answer = await store.receive(
      sourceOf([Buffer.from('other')]),
      receiveOptions({ content: uploaded }),
    )
    assertSame(
      await readContent(store, answer.content),
      Buffer.concat([content.subarray(0, 300_000), Buffer.from('other')]),
    )
    await store.receive(sourceOf([]), receiveOptions({ content: uploaded }))
    assertSame(await readContent(store, uploaded), content.subarray(0, 300_000))
  })

  test('more than announced is SIZE_INVALID, and what is held stays as it was', async (t) => {
    const store = await open(t)
    const content = randomBytes(300_000)
    const staged = await stage(store, content)
    const { key } = staged
    for (const uploaded of [nothing, { kind: 'staged', key, size: 300_000 }] as const) {
      for (const chunk of [10_000, 400_000]) {
        const options = receiveOptions({ content: uploaded, expectedBytes: 399_999 })
        const more = sourceOf(pieces(randomBytes(400_000), chunk))
        await assert.rejects(store.receive(more, options), { code: 'SIZE_INVALID' })
      }
    }
    assertSame(await readContent(store, { kind: 'staged', key, size: 300_000 }), content)
    assert.equal((await listAll(store)).length, 1, 'no staged bytes without an owner')
    const exact = sourceOf([Buffer.alloc(5)])
    assert.equal((await store.receive(exact, receiveOptions({ expectedBytes: 5 }))).received, 5)
  })

  test('held bytes that are not there, or not all, are BLOB_UPLOAD_UNKNOWN', async (t) => {
    const store = await open(t)
    const gone = '0123456789abcdef0123456789abcdef' as DataKey
    const shortStaged = await stage(store, Buffer.from('short'))
    const { key: short } = shortStaged
    for (const uploaded of [
      { kind: 'staged', key: gone, size: 5 },
      { kind: 'staged', key: short, size: 6 },
    ] as const) {
      const more = sourceOf([Buffer.from('more')])
      await assert.rejects(store.receive(more, receiveOptions({ content: uploaded })), {
        code: 'BLOB_UPLOAD_UNKNOWN',
      })
    }
    await assert.rejects(store.publish({ kind: 'staged', key: gone, size: 5 }), {
      code: 'BLOB_UPLOAD_UNKNOWN',
    })
  })

  test('many receive at once without mixing', async (t) => {
    const store = await open(t)
    await Promise.all(
      Array.from({ length: 24 }, async (_, index) => {
        const content = randomBytes(150_000 + index * 31_000)
        const staged = await stage(store, content)
        const { key } = staged
        await store.publish(staged)
        assertSame(await readAndClose(await store.open(key)), content)
      }),
    )
  })
}

function interruptions(open: StoreOpener): void {
  test('a source that fails leaves what arrived, and the upload goes on from there', async (t) => {
    const store = await open(t)
    const content = randomBytes(600_000)
    const failure = new Error('connection lost')
    for (const inlineLimit of [0, 350_000]) {
      const hasher = startHasher('sha256')
      const lost = await store.receive(
        sourceOf(pieces(content.subarray(0, 350_000), 70_000), failure),
        receiveOptions({ hasher, inlineLimit }),
      )
      assert.equal(lost.interrupted, failure)
      assert.equal(lost.received, 350_000)
      assert.equal(lost.content.kind, inlineLimit === 0 ? 'staged' : 'inline')
      const { content: uploaded, interrupted } = await store.receive(
        sourceOf([content.subarray(350_000)]),
        receiveOptions({ hasher, content: lost.content }),
      )
      assert.equal(interrupted, undefined)
      assert.equal(hasher.digest(), sha256(content))
      assertSame(await readContent(store, uploaded), content)
    }
  })

  test('the signal ends a source that hangs; what arrived stays', { timeout: 10_000 }, async (t) => {
    const store = await open(t)
    const content = randomBytes(200_000)
    const stop = new AbortController()
    async function* hanging(): ByteSource {
      yield* pieces(content, 50_000)
      setImmediate(() => stop.abort(new Error('too slow')))
      await new Promise(() => {})
    }
    const {
      content: uploaded,
      received,
      interrupted,
    } = await store.receive(hanging(), receiveOptions(), stop.signal)
    assert.equal((interrupted as Error).message, 'too slow')
    assert.equal(received, 200_000)
    assertSame(await readContent(store, uploaded), content)
  })

  test('a signal that fired before takes nothing', async (t) => {
    const store = await open(t)
    const source = sourceOf([Buffer.from('content')])
    const answer = await store.receive(source, receiveOptions(), AbortSignal.abort(new Error('late')))
    assert.equal(answer.received, 0)
    assert.equal((answer.interrupted as Error).message, 'late')
    assert.deepEqual(await listAll(store), [])
  })

  test('a source that is left early is told', async (t) => {
    const store = await open(t)
    let told = false
    async function* source(): ByteSource {
      try {
        for (;;) yield Buffer.alloc(1000)
      } finally {
        told = true
      }
    }
    const options = receiveOptions({ expectedBytes: 10_000 })
    await assert.rejects(store.receive(source(), options), { code: 'SIZE_INVALID' })
    assert.ok(told)
  })
}

function publishedContent(open: StoreOpener): void {
  test('staged bytes are readable as staged, published bytes under the key that publishing gave', async (t) => {
    const store = await open(t)
    const staged = await stage(store, Buffer.from('content'))
    assert.equal((await readAndClose(await store.openStaged(staged))).toString(), 'content')
    const key = await store.publish(staged)
    assert.equal((await readAndClose(await store.open(key))).toString(), 'content')
    assert.equal(await store.size(key), 7)
    assert.equal(await store.size('0123456789abcdef0123456789abcdef' as DataKey), undefined)
  })

  test('publishing twice, one after the other or at once, is no error', async (t) => {
    const store = await open(t)
    const staged = await stage(store, Buffer.from('content'))
    const { key } = staged
    await Promise.all([store.publish(staged), store.publish(staged), store.publish(staged)])
    await store.publish(staged)
    assert.equal((await readAndClose(await store.open(key))).toString(), 'content')
  })

  test('ranges, several from one reader, and at once', async (t) => {
    const store = await open(t)
    const content = randomBytes(700_000)
    const staged = await stage(store, content)
    const { key } = staged
    await store.publish(staged)
    const reader = await store.open(key)
    assert.ok(reader !== undefined)
    assert.equal(reader.size, content.length)
    const ranges = [
      [0, 0],
      [0, 699_999],
      [699_999, 699_999],
      [262_143, 262_144],
      [100_000, 650_000],
    ] as const
    const check = async ([start, end]: readonly [number, number]): Promise<void> =>
      assertSame(await readAll(reader.stream({ start, end })), content.subarray(start, end + 1))
    for (const range of ranges) await check(range)
    await Promise.all(ranges.map(check))
    reader.close()
  })

  test('a reader that stops early leaves the content to the others', async (t) => {
    const store = await open(t)
    const content = randomBytes(2_000_000)
    const staged = await stage(store, content)
    const { key } = staged
    await store.publish(staged)
    for (let round = 0; round < 20; round++) {
      const reader = await store.open(key)
      assert.ok(reader !== undefined)
      for await (const chunk of reader.stream()) {
        assertSame(chunk, content.subarray(0, chunk.length))
        break
      }
      reader.close()
    }
    assertSame(await readAndClose(await store.open(key)), content)
  })

  test('a reader that is closed ends its streams', async (t) => {
    const store = await open(t)
    const staged = await stage(store, randomBytes(2_000_000))
    const { key } = staged
    await store.publish(staged)
    const reader = await store.open(key)
    const stream = reader?.stream()[Symbol.asyncIterator]()
    assert.equal((await stream?.next())?.done, false)
    reader?.close()
    assert.equal((await stream?.next())?.done, true)
    assert.throws(() => reader?.stream())
  })

  test('removal takes the bytes away, but not from who is reading', async (t) => {
    const store = await open(t)
    const content = randomBytes(2_000_000)
    const staged = await stage(store, content)
    const { key } = staged
    await store.publish(staged)
    const reader = await store.open(key)
    assert.ok(reader !== undefined)
    const chunks: Uint8Array[] = []
    for await (const chunk of reader.stream()) {
      if (chunks.length === 0) {
        await store.remove(key)
        assert.equal(await store.open(key), undefined)
      }
      chunks.push(Uint8Array.from(chunk))
    }
    assertSame(Buffer.concat(chunks), content)
    reader.close()
    await store.remove(key)
    assert.deepEqual(await listAll(store), [])
  })

  test('removal takes staged bytes away', async (t) => {
    const store = await open(t)
    const staged = await stage(store, Buffer.from('content'))
    await store.remove(staged.key)
    assert.equal(await store.openStaged(staged), undefined)
  })

  test('a removal that meets openings leaves no reader for who comes later', async (t) => {
    const store = await open(t)
    for (let round = 0; round < 50; round++) {
      const staged = await stage(store, Buffer.from('content'))
      const { key } = staged
      await store.publish(staged)
      const opening = Promise.all([store.open(key), store.open(key)])
      await store.remove(key)
      assert.equal(await store.open(key), undefined)
      for (const reader of await opening) {
        if (reader !== undefined) assert.equal((await readAndClose(reader)).toString(), 'content')
      }
      assert.equal(await store.open(key), undefined)
    }
  })

  test('the list names everything with its size', async (t) => {
    const store = await open(t)
    const { key: staged } = await stage(store, randomBytes(10))
    const published = await store.publish(await stage(store, randomBytes(2_000_000)))
    const objects = await listAll(store)
    const found = objects.map(({ key, size }) => ({ key, size }))
    found.sort((a, b) => a.size - b.size)
    assert.deepEqual(found, [
      { key: staged, size: 10 },
      { key: published, size: 2_000_000 },
    ])
    for (const { modifiedAt } of objects) assert.ok(Math.abs(Date.now() - modifiedAt) < 600_000)
  })

  test('adopted content is published under its own key; an adoption that failed can be tried again', async (t) => {
    const store = await open(t)
    const key = 'fedcba9876543210fedcba9876543210' as DataKey
    const content = randomBytes(500_000)
    const failure = new Error('backup cannot be read')
    await assert.rejects(store.adopt(key, sourceOf(pieces(content, 90_000), failure)), failure)
    assert.equal(await store.open(key), undefined)
    assert.equal(await store.adopt(key, sourceOf(pieces(content, 90_000))), 500_000)
    assertSame(await readAndClose(await store.open(key)), content)
  })

  test('notes are read by whoever opens the store, and are no content', async (t) => {
    const store = await open(t)
    const [one, two] = [randomUUID(), randomUUID()]
    assert.equal((await store.notes.read()).size, 0)
    await store.notes.write(one, 'first')
    await store.notes.write(two, 'second')
    await store.notes.write(one, 'third')
    assert.deepEqual(Object.fromEntries(await store.notes.read()), { [one]: 'third', [two]: 'second' })
    assert.deepEqual(await Array.fromAsync(store.list()), [])
  })

  test('there is room', async (t) => {
    assert.ok((await (await open(t)).room()) > 0)
  })
}

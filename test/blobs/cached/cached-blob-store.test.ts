import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import type { BlobReader, BlobStore, ByteSource, DataKey } from '../../../src/blobs/blob-store.ts'
import { CacheFolder, prepareCache } from '../../../src/blobs/cached/cache-folder.ts'
import { CacheSpace } from '../../../src/blobs/cached/cache-space.ts'
import { CachedBlobStore } from '../../../src/blobs/cached/cached-blob-store.ts'
import { openDiskBlobStore } from '../../../src/blobs/disk/disk-blob-store.ts'
import { assertSame, blobStoreContract, readAll, readAndClose, stage } from '../blob-store-contract.ts'

const mebibyte = 2 ** 20

blobStoreContract('cached', async (t) => (await openCached(t)).store)

interface Opened {
  readonly store: BlobStore
  readonly origin: BlobStore
  readonly space: CacheSpace
  readonly cache: string
  /** Streams of the origin that were begun. */
  readonly fetched: DataKey[]
  /** What happens between the chunks of the origin; it may throw. */
  pace: (sent: number) => Promise<void>
}

async function openCached(t: TestContext, limit = 64 * mebibyte): Promise<Opened> {
  const folder = mkdtempSync(join(tmpdir(), 'trow-cached-'))
  const cache = join(folder, 'cache')
  const disk = await openDiskBlobStore({ folder, reserve: 0 })
  const space = new CacheSpace(limit)
  prepareCache(cache, space)
  const opened = { origin: disk, space, cache, fetched: [] as DataKey[], pace: async (_sent: number) => {} }
  t.mock.method(disk, 'open', async (key: DataKey) => {
    const reader = (await disk.constructor.prototype.open.call(disk, key)) as BlobReader | undefined
    return reader && { ...watched(reader, key), size: reader.size }
  })
  const watched = (reader: BlobReader, key: DataKey): Pick<BlobReader, 'stream' | 'close'> => ({
    async *stream(range): ByteSource & AsyncGenerator<Uint8Array> {
      opened.fetched.push(key)
      let sent = 0
      for await (const chunk of reader.stream(range)) {
        await opened.pace(sent)
        sent += chunk.length
        yield chunk
      }
    },
    close: () => reader.close(),
  })
  const store = new CachedBlobStore(disk, new CacheFolder(cache, space))
  t.after(async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return Object.assign(opened, { store })
}

async function published(store: BlobStore, content: Uint8Array): Promise<DataKey> {
  return store.publish(await stage(store, content))
}

test('however many ask for a blob at once, and later, it is fetched once', async (t) => {
  const opened = await openCached(t)
  const content = randomBytes(3_000_000)
  const key = await published(opened.store, content)
  opened.pace = () => sleep(2)
  const second = new CachedBlobStore(opened.origin, new CacheFolder(opened.cache, opened.space))
  const readers = [opened.store, second].flatMap((store) => Array.from({ length: 20 }, () => store))
  await Promise.all(
    readers.map(async (store) => assertSame(await readAndClose(await store.open(key)), content)),
  )
  assert.deepEqual(opened.fetched, [key])
  assertSame(await readAndClose(await second.open(key)), content)
  assert.deepEqual(opened.fetched, [key])
  assert.equal(opened.space.used, content.length)
})

test('a reader that does not read does not hold the others back', { timeout: 20_000 }, async (t) => {
  const { store } = await openCached(t)
  const content = randomBytes(5_000_000)
  const key = await published(store, content)
  const idle = await store.open(key)
  const begun = idle?.stream()[Symbol.asyncIterator]()
  await begun?.next()
  assertSame(await readAndClose(await store.open(key)), content)
  idle?.close()
})

test('a range is served before the blob is whole, without another fetch', async (t) => {
  const opened = await openCached(t)
  const content = randomBytes(2_000_000)
  const key = await published(opened.store, content)
  const gate = Promise.withResolvers<void>()
  opened.pace = (sent) => (sent > 1_000_000 ? gate.promise : Promise.resolve())
  const reader = await opened.store.open(key)
  assertSame(await readAll(reader!.stream({ start: 10, end: 500_000 })), content.subarray(10, 500_001))
  gate.resolve()
  assertSame(await readAll(reader!.stream({ start: 1_500_000, end: 1_999_999 })), content.subarray(1_500_000))
  reader?.close()
  assert.deepEqual(opened.fetched, [key])
})

test('a fetch that breaks off is gone on with from the origin, and nothing of it is kept', async (t) => {
  const opened = await openCached(t)
  const content = randomBytes(3_000_000)
  const key = await published(opened.store, content)
  let isBroken = true
  opened.pace = async (sent) => {
    if (!isBroken || sent < 1_000_000) return
    isBroken = false
    throw new Error('cut')
  }
  assertSame(await readAndClose(await opened.store.open(key)), content)
  assert.equal(opened.fetched.length, 2)
  assert.deepEqual(readdirSync(opened.cache), [])
  assert.equal(opened.space.used, 0)
  assertSame(await readAndClose(await opened.store.open(key)), content)
})

test('the cache never takes more than its limit, and what was used longest ago goes first', async (t) => {
  const opened = await openCached(t, 16_000_000)
  const keys: DataKey[] = []
  for (let index = 0; index < 12; index++) {
    const key = await published(opened.store, randomBytes(1_900_000))
    keys.push(key)
    await readAndClose(await opened.store.open(key))
    while (!readdirSync(opened.cache).includes(key)) await sleep(5)
    // Older than the one before it, but for the very first, which is used again and again.
    if (index > 0) utimesSync(join(opened.cache, key), 1_000_000 - index, 1_000_000 - index)
    const files = readdirSync(opened.cache)
    const sizes = files.map((name) => statSync(join(opened.cache, name)).size)
    assert.ok(sizes.reduce((sum, size) => sum + size, 0) <= 16_000_000)
    assert.equal(
      opened.space.used,
      sizes.reduce((sum, size) => sum + size, 0),
    )
    assert.ok(files.includes(keys[0] as string))
  }
  const large = await published(opened.store, randomBytes(3_000_000))
  await readAndClose(await opened.store.open(large))
  assert.ok(!readdirSync(opened.cache).includes(large), 'no blob takes the place of many')
})

test('a cache that cannot be written costs speed only', async (t) => {
  const opened = await openCached(t)
  const content = randomBytes(100_000)
  const key = await published(opened.store, content)
  rmSync(opened.cache, { recursive: true })
  assertSame(await readAndClose(await opened.store.open(key)), content)
})

test('a start counts what is there, and removes what was never whole', async (t) => {
  const { cache } = await openCached(t)
  const key = 'a'.repeat(32)
  writeFileSync(join(cache, key), 'whole')
  writeFileSync(join(cache, `${'b'.repeat(32)}.part`), 'not')
  const space = new CacheSpace(1000)
  prepareCache(cache, space)
  assert.deepEqual([readdirSync(cache), space.used], [[key], 5])
})

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import type { BlobStore, ByteSource, DataKey } from '../../src/blobs/blob-store.ts'
import { openDiskBlobStore, type DiskBlobStoreOptions } from '../../src/blobs/disk/disk-blob-store.ts'
import {
  assertSame,
  blobStoreContract,
  listAll,
  nothing,
  pieces,
  readAll,
  readAndClose,
  receiveOptions,
  sourceOf,
  stage,
} from './blob-store-contract.ts'

blobStoreContract('disk', async (t) => (await openStore(t)).store)

async function openStore(
  t: TestContext,
  options: Partial<DiskBlobStoreOptions> = {},
): Promise<{ store: BlobStore; folder: string }> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'trow-blobs-'))
  const store = await openDiskBlobStore({ folder, reserve: 0, ...options })
  t.after(async () => {
    await store.close()
    fs.rmSync(folder, { recursive: true })
  })
  return { store, folder }
}

function publishedPath(folder: string, key: DataKey): string {
  return join(folder, 'blobs', key.slice(0, 2), key)
}

/** Counts the descriptors of this process that point into `folder`. */
function descriptorsInto(folder: string): number {
  let count = 0
  for (const fd of fs.readdirSync('/proc/self/fd')) {
    try {
      if (fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder)) count++
    } catch {
      // The descriptor that listed /proc/self/fd is closed by now.
    }
  }
  return count
}

/** Records the order in which calls that change or flush files begin and end, by path below `folder`. */
function recordCalls(t: TestContext, folder: string): string[] {
  const calls: string[] = []
  const short = (path: string): string => path.slice(folder.length + 1).replaceAll(/[0-9a-f]{32}/g, 'KEY')
  const pathOf = (target: unknown): string =>
    short(typeof target === 'number' ? fs.readlinkSync(`/proc/self/fd/${target}`) : String(target))
  for (const name of ['open', 'write', 'fdatasync', 'fsync', 'rename'] as const) {
    const original = fs[name] as (...args: unknown[]) => void
    t.mock.method(fs, name, (...args: unknown[]) => {
      const what = `${name} ${pathOf(args[0])}`
      if (name !== 'open') calls.push(what)
      else if (args[1] === 'wx') calls.push(`create ${pathOf(args[0])}`)
      const done = args.pop() as (...results: unknown[]) => void
      original(...args, (...results: unknown[]) => {
        if (name !== 'open') calls.push(`${what} done`)
        done(...results)
      })
    })
  }
  return calls
}

test('flushes the data before it answers, then renames, then flushes the folder', async (t) => {
  const { store, folder } = await openStore(t)
  const calls = recordCalls(t, folder)
  const staged = await stage(store, randomBytes(300_000))
  const { key } = staged
  const received = calls.length
  await store.publish(staged)
  const position = (call: string): number => {
    assert.ok(calls.includes(call), `${call}: ${calls.join(', ')}`)
    return calls.lastIndexOf(call)
  }
  const target = `blobs/${key.slice(0, 2)}`
  assert.ok(position('write uploads/KEY done') < position('fdatasync uploads/KEY'))
  assert.ok(position('fdatasync uploads/KEY done') < received)
  assert.ok(received <= position('rename uploads/KEY'))
  assert.ok(position('rename uploads/KEY done') < position(`fsync ${target}`))
  assert.equal(position(`fsync ${target} done`), calls.length - 1)
})

test('the last flush begins after the last write has ended, though others went on in the background', async (t) => {
  const { store, folder } = await openStore(t)
  const { open } = fs
  // Direct writes are disabled, because they need no background flush.
  t.mock.method(fs, 'open', (...args: unknown[]) => {
    const done = args.at(-1) as (error: Error) => void
    if (typeof args[1] === 'number')
      setImmediate(done, Object.assign(new Error('direct'), { code: 'EINVAL' }))
    else (open as (...all: unknown[]) => void)(...args)
  })
  const calls = recordCalls(t, folder)
  await stage(store, randomBytes(16 * 2 ** 20))
  const starts = calls.filter((call) => call === 'fdatasync uploads/KEY')
  assert.ok(starts.length >= 2, `${starts.length} flushes`)
  assert.ok(calls.lastIndexOf('write uploads/KEY done') < calls.lastIndexOf('fdatasync uploads/KEY'))
})

test('a cut is flushed though nothing follows', async (t) => {
  const { store, folder } = await openStore(t)
  const staged = await stage(store, randomBytes(1000))
  const { key } = staged
  const calls = recordCalls(t, folder)
  await store.receive(sourceOf([]), receiveOptions({ content: { kind: 'staged', key, size: 10 } }))
  assert.deepEqual(calls, ['fdatasync uploads/KEY', 'fdatasync uploads/KEY done'])
})

test('a flush that fails is an error, never an answer', async (t) => {
  const { store } = await openStore(t)
  const fail = (_fd: number, done: (error: Error) => void): void =>
    void setImmediate(done, Object.assign(new Error('disk'), { code: 'EIO' }))
  t.mock.method(fs, 'fdatasync', fail)
  // The large content fails in a background flush.
  for (const size of [1000, 30_000_000]) {
    await assert.rejects(stage(store, randomBytes(size)), { code: 'EIO' })
    assert.deepEqual(await listAll(store), [])
  }
  t.mock.restoreAll()
  const staged = await stage(store, randomBytes(10))
  t.mock.method(fs, 'fsync', fail)
  await assert.rejects(store.publish(staged), { code: 'EIO' })
})

test('staged bytes are readable only as staged, and published bytes only as published', async (t) => {
  const { store } = await openStore(t)
  const staged = await stage(store, Buffer.from('content'))
  assert.equal(await store.open(staged.key), undefined)
  await store.publish(staged)
  assert.equal(await store.openStaged(staged), undefined)
})

test('staged bytes that were removed cannot be published', async (t) => {
  const { store } = await openStore(t)
  const staged = await stage(store, Buffer.from('content'))
  await store.remove(staged.key)
  await assert.rejects(store.publish(staged), { code: 'BLOB_UPLOAD_UNKNOWN' })
})

test('who has opened bytes reads them again after their removal', async (t) => {
  const { store } = await openStore(t)
  const content = randomBytes(300_000)
  const staged = await stage(store, content)
  const reader = await store.open(await store.publish(staged))
  assert.ok(reader !== undefined)
  await store.remove(staged.key)
  assertSame(await readAll(reader.stream()), content)
  reader.close()
})

test('a disk that does not write holds the source back', async (t) => {
  const { store } = await openStore(t)
  let goOn = (): void => {}
  const uploaded = new Promise<void>((resolve) => (goOn = resolve))
  const { write } = fs
  t.mock.method(fs, 'write', (...args: Parameters<typeof write>) => void uploaded.then(() => write(...args)))
  let taken = 0
  async function* source(): ByteSource {
    for (; taken < 10_000_000; taken += 50_000) yield Buffer.alloc(50_000)
  }
  const receiving = store.receive(source(), receiveOptions())
  await sleep(200)
  const ahead = taken
  goOn()
  assert.equal((await receiving).received, 10_000_000)
  assert.ok(ahead <= 3 * 262_144 + 100_000, `${ahead} bytes taken`)
})

test('a truncated file is an error where it ends, never a short stream', async (t) => {
  const { store, folder } = await openStore(t)
  const content = randomBytes(600_000)
  for (const size of [0, 1, 262_144, 599_999]) {
    const staged = await stage(store, content)
    const { key } = staged
    await store.publish(staged)
    const reader = await store.open(key)
    assert.ok(reader !== undefined)
    fs.truncateSync(publishedPath(folder, key), size)
    await assert.rejects(readAll(reader.stream()), /ends \d+ bytes? too early/)
    reader.close()
  }
})

test('content survives the store: another one on the same folder reads it and goes on', async (t) => {
  const { store, folder } = await openStore(t)
  const content = randomBytes(300_000)
  const publishedStaged = await stage(store, content)
  const { key: published } = publishedStaged
  await store.publish(publishedStaged)
  const stagedStaged = await stage(store, content)
  const { key: staged } = stagedStaged
  const other = await openDiskBlobStore({ folder, reserve: 0 })
  t.after(() => other.close())
  assertSame(await readAndClose(await other.open(published)), content)
  const uploaded = { kind: 'staged', key: staged, size: content.length } as const
  const { content: more } = await other.receive(sourceOf([content]), receiveOptions({ content: uploaded }))
  assert.deepEqual(more, { kind: 'staged', key: staged, size: 600_000 })
})

test('publishes though the folder was removed', async (t) => {
  const { store, folder } = await openStore(t)
  const staged = await stage(store, Buffer.from('content'))
  const { key } = staged
  fs.rmdirSync(join(folder, 'blobs', key.slice(0, 2)))
  await store.publish(staged)
  assert.equal((await readAndClose(await store.open(key))).toString(), 'content')
})

test('foreign files are left out of the list, and no key leads out of the folder', async (t) => {
  const { store, folder } = await openStore(t)
  fs.writeFileSync(join(folder, 'uploads', 'lost+found'), '')
  fs.writeFileSync(join(folder, 'blobs', '00', 'notes.txt'), '')
  fs.mkdirSync(join(folder, 'blobs', '00', '0'.repeat(32)))
  assert.deepEqual(await listAll(store), [])
  for (const key of ['../../etc/passwd', '0'.repeat(31), 'A'.repeat(32), '']) {
    await assert.rejects(async () => await store.open(key as DataKey), TypeError)
    await assert.rejects(store.remove(key as DataKey), TypeError)
  }
})

test('descriptors: idle ones up to the limit, none lost by readers that stop, removals and failures', async (t) => {
  const { store, folder } = await openStore(t, { openFiles: 5 })
  const keys: DataKey[] = []
  for (let index = 0; index < 20; index++) {
    const staged = await stage(store, randomBytes(300_000))
    const { key } = staged
    await store.publish(staged)
    keys.push(key)
  }
  await sleep(20)
  assert.equal(descriptorsInto(folder), 0, 'after publishing')
  for (let round = 0; round < 5; round++) {
    await Promise.all(
      keys
        .flatMap((key) => [key, key])
        .map(async (key, index) => {
          const reader = await store.open(key)
          if (reader === undefined) return
          if (index % 3 > 0) {
            for await (const chunk of reader.stream()) if (index % 3 === 1 || chunk.length === 0) break
          }
          reader.close()
          reader.close()
        }),
    )
    await sleep(20)
    assert.ok(descriptorsInto(folder) <= 5, `${descriptorsInto(folder)} open`)
  }
  const failure = new Error('lost')
  await store.receive(sourceOf(pieces(randomBytes(300_000), 50_000), failure), receiveOptions())
  await assert.rejects(store.receive(sourceOf([randomBytes(100)]), receiveOptions({ expectedBytes: 1 })))
  const gone = { kind: 'staged', key: keys[0]!, size: 1 } as const
  await assert.rejects(store.receive(sourceOf([]), receiveOptions({ content: gone })))
  for (const key of keys) {
    const opening = [store.open(key), store.open(key)]
    await store.remove(key)
    for (const reader of await Promise.all(opening)) reader?.close()
  }
  await sleep(20)
  assert.equal(descriptorsInto(folder), 0, 'after removal')
})

test('idle descriptors close by themselves, so that what another thread removes frees its space', async (t) => {
  const { store, folder } = await openStore(t)
  const staged = await stage(store, randomBytes(1000))
  const { key } = staged
  await store.publish(staged)
  await readAndClose(await store.open(key))
  assert.equal(descriptorsInto(folder), 1)
  // The timer is unreferenced, so this loop keeps the process running.
  for (let waited = 0; waited < 8000 && descriptorsInto(folder) > 0; waited += 100) await sleep(100)
  assert.equal(descriptorsInto(folder), 0)
})

test('below the reserve nothing is staged, however small, and pulls and removals go on', async (t) => {
  const { store, folder } = await openStore(t)
  const content = randomBytes(1000)
  const staged = await stage(store, content)
  const { key } = staged
  await store.publish(staged)
  const full = await openDiskBlobStore({ folder, reserve: 2 ** 52 })
  t.after(() => full.close())
  assert.ok((await full.room()) < 0)
  const uploaded = await stage(store, content)
  for (const options of [{ inlineLimit: 0 }, { content: uploaded, inlineLimit: 0 }]) {
    const source = sourceOf([Buffer.from('little')])
    await assert.rejects(full.receive(source, receiveOptions(options)), { code: 'STORAGE_FULL' })
  }
  const empty = await full.receive(sourceOf([]), receiveOptions({ inlineLimit: 100 }))
  assert.deepEqual(empty.content, { ...nothing, bytes: Buffer.alloc(0) })
  assertSame(await readAndClose(await full.open(key)), content)
  await full.remove(key)
  assert.equal(await full.open(key), undefined)
})

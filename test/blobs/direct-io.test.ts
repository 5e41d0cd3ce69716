import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import fc from 'fast-check'
import type { BlobStore, StagedContent } from '../../src/blobs/blob-store.ts'
import { AlignedMemory, directAlignment, DirectIo } from '../../src/blobs/disk/direct-io.ts'
import { openDiskBlobStore } from '../../src/blobs/disk/disk-blob-store.ts'
import { assertSame, pieces, readAndClose, receiveOptions, sourceOf, stage } from './blob-store-contract.ts'

const { O_DIRECT } = fs.constants

async function openStore(t: TestContext): Promise<{ store: BlobStore; folder: string }> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'trow-direct-'))
  const store = await openDiskBlobStore({ folder, reserve: 0 })
  t.after(async () => {
    await store.close()
    fs.rmSync(folder, { recursive: true })
  })
  return { store, folder }
}

/** Returns why direct writes cannot be tested here, or false. */
async function directProblem(): Promise<string | false> {
  const path = join(fs.mkdtempSync(join(tmpdir(), 'trow-direct-')), 'file')
  fs.writeFileSync(path, '')
  const fd = await new DirectIo().open(path)
  if (fd !== undefined) fs.closeSync(fd)
  fs.rmSync(join(path, '..'), { recursive: true })
  return fd === undefined && 'the file system of temporary files has no direct writes'
}

interface Writes {
  direct: number
  cached: number
  readonly misaligned: number[]
}

/**
 * Counts the bytes written directly and through the cache, and records misaligned offsets and lengths of
 * direct writes.
 */
function countWrites(t: TestContext): Writes {
  const counts: Writes = { direct: 0, cached: 0, misaligned: [] }
  const direct = new Set<number>()
  const { open, write } = fs
  t.mock.method(fs, 'open', (...args: unknown[]) => {
    const done = args.pop() as (error: Error | null, fd: number) => void
    ;(open as (...all: unknown[]) => void)(...args, (error: Error | null, fd: number) => {
      if (error === null) {
        if (typeof args[1] === 'number' && (args[1] & O_DIRECT) !== 0) direct.add(fd)
        else direct.delete(fd)
      }
      done(error, fd)
    })
  })
  t.mock.method(fs, 'write', (...args: Parameters<typeof write>) => {
    const [fd, , , length, position] = args as unknown as [number, Buffer, number, number, number]
    if (!direct.has(fd)) counts.cached += length
    else {
      counts.direct += length
      for (const value of [length, position]) if (value % directAlignment !== 0) counts.misaligned.push(value)
    }
    write(...args)
  })
  return counts
}

async function publishedBytes(store: BlobStore, staged: StagedContent): Promise<Buffer> {
  return readAndClose(await store.open(await store.publish(staged)))
}

suite('direct writes', { skip: await directProblem() }, () => {
  test('of large content all whole blocks are written past the page cache, the rest by way of it', async (t) => {
    const { store } = await openStore(t)
    const counts = countWrites(t)
    const content = randomBytes(10_000_001)
    const staged = await stage(store, content)
    assert.deepEqual(counts, { direct: 9_961_472, cached: 38_529, misaligned: [] })
    assertSame(await publishedBytes(store, staged), content)
  })

  test('small content is not worth a second descriptor', async (t) => {
    const { store } = await openStore(t)
    const counts = countWrites(t)
    await stage(store, randomBytes(60_000))
    assert.deepEqual(counts, { direct: 0, cached: 60_000, misaligned: [] })
  })

  test('in whatever pieces it comes, and wherever it is resumed, it is the same', async (t) => {
    const { store } = await openStore(t)
    const counts = countWrites(t)
    const sizes = fc.array(fc.integer({ min: 0, max: 700_000 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 100, max: 300_000 }), async (parts, piece) => {
        const content = randomBytes(parts.reduce((sum, size) => sum + size, 1))
        let uploaded = receiveOptions().content
        let position = 0
        for (const size of [1, ...parts]) {
          const source = sourceOf(pieces(content.subarray(position, position + size), piece))
          uploaded = (await store.receive(source, receiveOptions({ content: uploaded, inlineLimit: 0 })))
            .content
          position += size
        }
        assert.ok(uploaded.kind === 'staged')
        assertSame(await publishedBytes(store, uploaded), content)
        await store.remove(uploaded.key)
      }),
      { numRuns: 40 },
    )
    assert.deepEqual(counts.misaligned, [])
  })

  test('a disk that is slow gets its content by way of the page cache, which keeps it for the next pull', async (t) => {
    const { store } = await openStore(t)
    const counts = countWrites(t)
    const { write } = fs
    // 256 KiB in at least 20 ms is 13 MB/s; two writes run at once.
    t.mock.method(fs, 'write', (...args: Parameters<typeof write>) => void setTimeout(write, 20, ...args))
    await stage(store, randomBytes(40_000_000))
    assert.ok(counts.direct >= 33_554_432 && counts.direct < 36_000_000, `${counts.direct} bytes directly`)
    const content = randomBytes(1_000_000)
    const before = counts.direct
    const staged = await stage(store, content)
    assert.equal(counts.direct, before)
    assertSame(await publishedBytes(store, staged), content)
  })

  test('a disk that is fast keeps its direct writes', async (t) => {
    const { store } = await openStore(t)
    const counts = countWrites(t)
    let now = 0
    t.mock.method(performance, 'now', () => now)
    const { write } = fs
    // 256 KiB in half a millisecond: 524 MB/s.
    t.mock.method(fs, 'write', (...args: Parameters<typeof write>) => {
      const done = args.pop() as unknown as (...results: unknown[]) => void
      ;(write as (...all: unknown[]) => void)(...args, (...results: unknown[]) => {
        now += 0.5
        done(...results)
      })
    })
    await stage(store, randomBytes(80_000_000))
    assert.ok(counts.direct > 79_000_000, `${counts.direct} bytes directly`)
  })

  test('memory begins at a page, which such a write needs', async (t) => {
    const { folder } = await openStore(t)
    const memory = new AlignedMemory(64 * 1024)
    for (let count = 0; count < 16; count++) {
      const path = join(folder, `file${count}`)
      fs.writeFileSync(path, '')
      const fd = (await new DirectIo().open(path)) as number
      assert.equal(fs.writeSync(fd, memory.allocate(4096), 0, 4096, 0), 4096)
      fs.closeSync(fd)
    }
    assert.throws(() => memory.allocate(4096), /used up/)
  })
})

suite('a file system without direct writes', () => {
  const content = randomBytes(3_000_000)

  for (const where of ['open', 'write'] as const) {
    for (const code of ['EINVAL', 'EOPNOTSUPP'] as const) {
      test(`${code} of ${where}: all goes by way of the page cache, and it is not tried again`, async (t) => {
        const { store } = await openStore(t)
        let tried = 0
        const refused = Object.assign(new Error(code), { code })
        const { open, write } = fs
        const direct = new Set<number>()
        t.mock.method(fs, 'open', (...args: unknown[]) => {
          const wanted = typeof args[1] === 'number' && (args[1] & O_DIRECT) !== 0
          const done = args.at(-1) as (error: Error | null, fd?: number) => void
          if (!wanted) return (open as (...all: unknown[]) => void)(...args)
          tried++
          if (where === 'open') return void setImmediate(done, refused)
          // A normal descriptor; the mock of `write` below refuses its writes.
          open(args[0] as string, 'r+', (error, fd) => {
            direct.add(fd)
            done(error, fd)
          })
        })
        t.mock.method(fs, 'write', (...args: Parameters<typeof write>) => {
          const done = args.at(-1) as (error: Error) => void
          if (direct.has(args[0])) setImmediate(done, refused)
          else write(...args)
        })
        const all = [await stage(store, content), await stage(store, content)]
        assert.equal(tried, 1)
        t.mock.restoreAll()
        for (const staged of all) assertSame(await publishedBytes(store, staged), content)
      })
    }
  }

  test('any other error of a direct write is an error, and nothing stays', async (t) => {
    const { store } = await openStore(t)
    const { write } = fs
    t.mock.method(fs, 'write', (...args: Parameters<typeof write>) => {
      const done = args.at(-1) as (error: Error) => void
      if ((args as unknown as number[])[3] === 262_144)
        setImmediate(done, Object.assign(new Error('disk'), { code: 'EIO' }))
      else write(...args)
    })
    await assert.rejects(stage(store, content), { code: 'EIO' })
    t.mock.restoreAll()
    assert.deepEqual(await Array.fromAsync(store.list()), [])
  })

  test('a direct write that comes short is completed', async (t) => {
    const { store } = await openStore(t)
    const { write } = fs
    let short = 0
    t.mock.method(fs, 'write', (...args: unknown[]) => {
      if (args[3] === 262_144) {
        short++
        args[3] = 100_000 - (100_000 % directAlignment)
      }
      ;(write as (...all: unknown[]) => void)(...args)
    })
    const staged = await stage(store, content)
    t.mock.restoreAll()
    assert.ok(short > 5)
    assertSame(await publishedBytes(store, staged), content)
  })
})

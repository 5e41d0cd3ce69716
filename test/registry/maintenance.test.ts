import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  globSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  readFileSync,
  utimesSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { openDiskBlobStore } from '../../src/blobs/disk/disk-blob-store.ts'
import type { BlobStore, ByteSource, DataKey } from '../../src/blobs/blob-store.ts'
import { openLocalMetadata } from '../../src/metadata/sqlite/sqlite-metadata-store.ts'
import { databasePath } from '../../src/metadata/sqlite/sqlite-file.ts'
import { parseTag } from '../../src/oci/tag.ts'
import { digestOfBytes, type Digest } from '../../src/oci/digest.ts'
import { backup } from '../../src/registry/backup.ts'
import { readBackupTail, tailRoom, type BackupTail } from '../../src/registry/backup-form.ts'
import { restore } from '../../src/registry/restore.ts'
import { ClockWatch } from '../../src/registry/clock-guard.ts'
import { checkStorage, type FsckEvent } from '../../src/registry/fsck.ts'
import { collectGarbage, type GarbageEvent } from '../../src/registry/garbage.ts'
import {
  bodyOf,
  grace,
  imageOf,
  openStores,
  quiet,
  repository,
  requester,
  sha256,
  type TestStores,
} from './stores.ts'

let stores: TestStores
beforeEach(async () => {
  stores = await openStores()
})
afterEach(() => stores.close())

async function push(size: number): Promise<{ content: Buffer; digest: Digest }> {
  const content = randomBytes(size)
  await stores.registry.uploads.single({ requester, repository, digest: sha256(content) }, bodyOf(content))
  return { content, digest: sha256(content) }
}

async function pushImage(
  tag: string,
  sizes: readonly number[],
): Promise<{ digest: Digest; blobs: Digest[] }> {
  const blobs = await Promise.all(sizes.map((size) => push(size)))
  const body = imageOf(
    blobs.map(({ digest, content }) => [digest, content.length]),
    tag,
  )
  const reference = parseTag(tag)
  const { digest } = await stores.registry.manifests.put({
    requester,
    repository,
    reference,
    tags: [],
    contentType: undefined,
    body,
  })
  return { digest, blobs: blobs.map((blob) => blob.digest) }
}

async function collect(
  options: {
    dryRun?: boolean
    deleteDelay?: number
    after?: number
    rules?: { repositories: string; after: number | undefined }[]
  } = {},
): Promise<GarbageEvent[]> {
  const { metadata, blobs, clock } = stores
  const { deleteDelay } = options
  const policy = { grace, uploadExpiry: grace, untagged: options.rules ?? [], deleteDelay }
  const parts = { metadata, blobs, log: quiet, clocks: clock, policy, holder: 'test' }
  const events: GarbageEvent[] = []
  for await (const event of collectGarbage(parts, { dryRun: options.dryRun ?? false, orphans: 'always' }))
    events.push(event)
  return events
}

/** Advances the clock as between regular collections: never by more than the grace period at once. */
async function pass(milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0; left -= grace / 2) {
    stores.clock.now += Math.min(left, grace / 2)
    await stores.metadata.garbage.note({ notes: { seenAt: stores.clock.now, suspendedUntil: undefined } })
  }
}

function dataFiles(): string[] {
  return globSync('blobs/*/*', { cwd: stores.folder })
}

const subjects = (events: readonly GarbageEvent[], action: string): string[] =>
  events.flatMap((event) => (event.kind === 'item' && event.action === action ? [event.item.subject] : []))

suite('garbage', () => {
  test('what is in use stays; what nobody needs goes after its grace, row, bytes and all', async () => {
    const image = await pushImage('v1', [500, 5000])
    const loose = await push(7000)
    assert.deepEqual(subjects(await collect(), 'unlinked'), [])
    await pass(grace * 1.2)
    const dry = await collect({ dryRun: true })
    const real = await collect()
    assert.deepEqual(subjects(dry, 'unlinked'), [loose.digest])
    assert.deepEqual(subjects(real, 'unlinked'), [loose.digest])
    assert.deepEqual(subjects(real, 'condemned'), [loose.digest])
    assert.equal(dataFiles().length, 2, 'condemned bytes are still there')
    await pass(1000)
    assert.deepEqual(subjects(await collect(), 'deleted'), [loose.digest])
    assert.equal(dataFiles().length, 1)
    for (const digest of image.blobs)
      assert.ok(await stores.registry.blobs.stat(requester, repository, digest))
  })

  test('nobody else collects while bytes are removed, however long that takes', async () => {
    for (let n = 0; n < 5; n++) await push(5000 + n)
    await pass(grace * 1.2)
    await collect()
    await pass(1000)
    const { metadata, clock } = stores
    const taken: boolean[] = []
    const blobs: BlobStore = Object.create(stores.blobs, {
      remove: {
        // A slow disk: each removal takes most of the lease.
        async value(key: DataKey) {
          clock.now += 50_000
          taken.push(
            await metadata.garbage.acquireLease({ name: 'garbage', holder: 'other', ttl: 1, now: clock.now }),
          )
          await stores.blobs.remove(key)
        },
      },
    }) as BlobStore
    const policy = { grace, uploadExpiry: grace, untagged: [] }
    const parts = { metadata, blobs, log: quiet, clocks: clock, policy, holder: 'test' }
    await Array.fromAsync(collectGarbage(parts, { dryRun: false, orphans: 'never' }))
    assert.deepEqual(taken, [false, false, false, false, false])
  })

  test('two collections of one process are two', async () => {
    const { metadata, blobs, clock } = stores
    for (let n = 0; n < 3; n++) await push(5000 + n)
    await pass(grace * 1.2)
    const policy = { grace, uploadExpiry: grace, untagged: [] }
    const parts = { metadata, blobs, log: quiet, clocks: clock, policy, holder: 'test' }
    const first = collectGarbage(parts, { dryRun: false, orphans: 'never' })
    assert.equal((await first.next()).value?.kind, 'item')
    assert.deepEqual(await Array.fromAsync(collectGarbage(parts, { dryRun: false, orphans: 'never' })), [
      { kind: 'busy' },
    ])
    await Array.fromAsync(first)
  })

  test('bytes outlive their rows by the delay that is asked for', async () => {
    const { digest } = await push(5000)
    const before = dataFiles()
    await pass(grace * 1.2)
    await collect({ deleteDelay: 3_600_000 })
    await pass(1000)
    assert.ok(subjects(await collect({ deleteDelay: 3_600_000 }), 'deleted').includes(digest))
    assert.deepEqual(dataFiles(), before)
    await pass(3_600_000)
    await collect({ deleteDelay: 3_600_000 })
    assert.equal(dataFiles().length, before.length - 1)
  })

  test('a HEAD begins the grace anew', async () => {
    const { digest } = await push(5000)
    await pass(grace * 0.8)
    assert.ok(await stores.registry.blobs.stat(requester, repository, digest))
    await pass(grace * 0.8)
    assert.deepEqual(subjects(await collect(), 'unlinked'), [])
    await pass(grace * 0.4)
    assert.deepEqual(subjects(await collect(), 'unlinked'), [digest])
    assert.equal(await stores.registry.blobs.stat(requester, repository, digest), undefined)
  })

  test('what a deleted manifest needed stays for one grace period from then', async () => {
    const image = await pushImage('v1', [500, 5000])
    await pass(grace * 3)
    await stores.registry.manifests.remove(requester, repository, image.digest)
    assert.deepEqual(subjects(await collect(), 'unlinked'), [])
    await pass(grace * 1.2)
    assert.deepEqual(new Set(subjects(await collect(), 'unlinked')), new Set(image.blobs))
  })

  test('uploads that nobody goes on with', async () => {
    const { uploads } = stores.registry
    const { id } = await uploads.open(requester, repository, undefined)
    await uploads.append({ requester, repository, id }, bodyOf(randomBytes(9000)))
    assert.equal(globSync('uploads/*', { cwd: stores.folder }).length, 1)
    await pass(grace * 1.1)
    assert.deepEqual(subjects(await collect(), 'expired'), [id])
    assert.equal(await uploads.status({ requester, repository, id }), undefined)
    assert.equal(globSync('uploads/*', { cwd: stores.folder }).length, 0)
  })

  test('untagged manifests only where a rule says so', async () => {
    const first = await pushImage('v1', [500])
    const second = await pushImage('v1', [500])
    await pass(grace * 2)
    const rules = [
      { repositories: 'other/**', after: 1 },
      { repositories: 'test/*', after: grace },
    ]
    assert.deepEqual(subjects(await collect(), 'expired'), [])
    assert.deepEqual(
      subjects(
        await collect({ rules: [{ repositories: 'test/**', after: undefined }, ...rules] }),
        'expired',
      ),
      [],
    )
    assert.deepEqual(subjects(await collect({ rules }), 'expired'), [first.digest])
    assert.ok(await stores.registry.manifests.get(requester, repository, second.digest))
  })

  test('a clock that jumps forward suspends deletion for one grace period', async () => {
    await collect()
    const { digest } = await push(5000)
    stores.clock.now += grace * 50
    const [event] = await collect()
    assert.equal(event?.kind, 'suspended')
    stores.clock.now += grace / 2
    assert.equal((await collect())[0]?.kind, 'suspended')
    stores.clock.now += grace * 0.6
    assert.deepEqual(subjects(await collect(), 'unlinked'), [digest])
  })

  test('a jump against the monotonic clock is seen, once', () => {
    let [wall, monotonic] = [1000, 0]
    const watch = new ClockWatch({ wall: () => wall, monotonic: () => monotonic })
    monotonic += 500
    wall += 500
    assert.equal(watch.ahead(wall), 0)
    wall += 9000
    assert.equal(watch.ahead(wall), 9000)
    watch.settle(wall)
    assert.equal(watch.ahead(wall), 0)
  })

  test('files that a crash has left go once they are old', async () => {
    const path = join(stores.folder, 'blobs', 'ab', `ab${'0'.repeat(30)}`)
    writeFileSync(path, 'left over')
    await collect()
    assert.equal(dataFiles().length, 1)
    const old = new Date(stores.clock.now - 48 * 3_600_000)
    utimesSync(path, old, old)
    await collect()
    assert.equal(dataFiles().length, 0)
  })

  test('orphans stay as long as other bytes without a row', async () => {
    const path = join(stores.folder, 'blobs', 'ab', `ab${'0'.repeat(30)}`)
    writeFileSync(path, 'left over')
    const setAge = (hours: number): void => {
      const at = new Date(stores.clock.now - hours * 3_600_000)
      utimesSync(path, at, at)
    }
    const deleteDelay = 72 * 3_600_000
    setAge(48)
    await collect({ deleteDelay })
    assert.equal(dataFiles().length, 1)
    setAge(73)
    await collect({ deleteDelay })
    assert.equal(dataFiles().length, 1, 'from now on its bytes have no row')
    // The deletion is noted by the clock of the machine, which has gone on since this clock was set.
    await pass(deleteDelay + 60_000)
    await collect({ deleteDelay })
    assert.equal(dataFiles().length, 0)
  })

  test('of several schedules, one collects and the others find it done; the search for orphans is done daily', async () => {
    const { metadata, blobs, clock } = stores
    const policy = { grace: 30 * 24 * 3_600_000, uploadExpiry: grace, untagged: [] }
    let lists = 0
    const counting: BlobStore = Object.create(blobs, {
      list: {
        value() {
          lists++
          return blobs.list()
        },
      },
    }) as BlobStore
    const one = async (holder: string): Promise<string[]> => {
      const parts = { metadata, blobs: counting, log: quiet, clocks: clock, policy, holder }
      const options = { dryRun: false, orphans: 'daily', atMostEvery: 3_600_000 } as const
      return (await Array.fromAsync(collectGarbage(parts, options))).map(({ kind }) => kind)
    }
    assert.deepEqual(await one('a'), ['freed'])
    clock.now += 3_599_000
    assert.deepEqual(await one('b'), ['done'])
    clock.now += 1000
    assert.deepEqual(await one('b'), ['freed'])
    assert.deepEqual(await one('a'), ['done'])
    assert.equal(lists, 1)
    clock.now += 24 * 3_600_000
    assert.deepEqual(await one('a'), ['freed'])
    assert.equal(lists, 2)
  })

  test('one collector at a time', async () => {
    await stores.metadata.garbage.acquireLease({
      name: 'garbage',
      holder: 'somebody else',
      ttl: 60_000,
      now: stores.clock.now,
    })
    assert.deepEqual(await collect(), [{ kind: 'busy' }])
  })
})

async function fsck(repair = false): Promise<{ problems: string[]; summary: FsckEvent | undefined }> {
  const { metadata, blobs, clock } = stores
  const events: FsckEvent[] = []
  for await (const event of checkStorage({ metadata, blobs, clocks: clock, policy: {} }, { repair, rate: 0 }))
    events.push(event)
  const problems = events.flatMap((event) =>
    event.kind === 'problem' ? [`${event.problem} ${event.subject}`] : [],
  )
  return { problems, summary: events.at(-1) }
}

suite('fsck', () => {
  test('finds nothing where nothing is wrong', async () => {
    await pushImage('v1', [0, 500, 50_000])
    const { problems, summary } = await fsck()
    assert.deepEqual(problems, [])
    assert.deepEqual(summary, {
      kind: 'summary',
      blobs: 3,
      bytes: 50_500,
      manifests: 1,
      problems: 0,
      repaired: 0,
    })
  })

  const faults: readonly (readonly [name: string, problem: string, plant: (path: string) => void])[] = [
    ['bytes that are gone', 'blob-missing', unlinkSync],
    ['bytes that are cut', 'blob-size', (path) => truncateSync(path, 10)],
    [
      'bytes that are other',
      'blob-corrupt',
      (path) => {
        const bytes = readFileSync(path)
        bytes[100] = (bytes[100] ?? 0) ^ 1
        writeFileSync(path, bytes)
      },
    ],
  ]
  for (const [name, problem, plant] of faults) {
    test(`finds ${name}, and heals by a push after --repair`, async () => {
      const { content, digest } = await push(5000)
      plant(join(stores.folder, dataFiles()[0] as string))
      assert.deepEqual((await fsck()).problems, [`${problem} ${digest}`])
      assert.deepEqual((await fsck(true)).problems, [`${problem} ${digest}`])
      assert.equal(await stores.registry.blobs.stat(requester, repository, digest), undefined)
      await stores.registry.uploads.single({ requester, repository, digest }, bodyOf(content))
      assert.deepEqual((await fsck()).problems, [])
    })
  }

  test('a SHA-256 digest that is noted wrong, by which a policy would miss the blob', async () => {
    const { metadata, registry } = stores
    const content = randomBytes(5000)
    const digest = digestOfBytes('sha512', content)
    await registry.uploads.single({ requester, repository, digest }, bodyOf(content))
    await metadata.contents.setTwin(digest, sha256('another'))
    assert.deepEqual((await fsck()).problems, [`twin-wrong ${digest}`])
    assert.deepEqual((await fsck(true)).problems, [`twin-wrong ${digest}`])
    assert.equal(await metadata.contents.twinOf(digest), sha256(content))
    assert.ok(await registry.blobs.stat(requester, repository, digest))
    assert.deepEqual((await fsck()).problems, [])
  })

  test('a manifest whose layer is lost says so until it is pushed again', async () => {
    const image = await pushImage('v1', [500, 5000])
    unlinkSync(join(stores.folder, dataFiles()[0] as string))
    await fsck(true)
    assert.deepEqual((await fsck()).problems, [`reference-missing ${image.digest}`])
  })

  test('a corrupt manifest goes with its tags; what only it needed has its grace from then on', async () => {
    const image = await pushImage('v1', [500, 5000])
    const database = new DatabaseSync(databasePath(stores.folder))
    database.exec("update manifest_body set body = cast('{}' as blob)")
    database.close()
    await pass(grace * 2)
    assert.deepEqual((await fsck()).problems, [`manifest-corrupt ${image.digest}`])
    assert.deepEqual((await fsck(true)).problems, [`manifest-corrupt ${image.digest}`])
    assert.deepEqual((await fsck()).problems, [])
    assert.deepEqual(subjects(await collect(), 'unlinked'), [])
    await pass(grace * 1.2)
    assert.deepEqual(subjects(await collect(), 'unlinked').toSorted(), image.blobs.toSorted())
  })

  test('orphans, and no young ones', async () => {
    const key = `ab${'0'.repeat(30)}`
    const path = join(stores.folder, 'blobs', 'ab', key)
    writeFileSync(path, 'left over')
    assert.deepEqual((await fsck()).problems, [])
    const old = new Date(stores.clock.now - 48 * 3_600_000)
    utimesSync(path, old, old)
    assert.deepEqual((await fsck(true)).problems, [`orphan ${key}`])
    assert.deepEqual((await fsck()).problems, [])
  })
})

suite('backup', () => {
  async function restoreInto(folder: string, file: Uint8Array): Promise<BackupTail> {
    const blobs = await openDiskBlobStore({ folder, reserve: 0 })
    try {
      return await restore(bodyOf(file, { chunk: 10_000 }).source, {
        blobs,
        metadataFormat: 'sqlite',
        async placeMetadata(source: ByteSource) {
          const chunks: Buffer[] = []
          for await (const chunk of source) chunks.push(Buffer.from(chunk))
          return async () => writeFileSync(databasePath(folder), Buffer.concat(chunks))
        },
      })
    } finally {
      await blobs.close()
    }
  }

  async function makeBackup(): Promise<Buffer> {
    const { metadata, blobs, clock } = stores
    const chunks: Uint8Array[] = []
    for await (const chunk of backup({ metadata, blobs, clocks: clock, holder: 'test' }))
      chunks.push(Uint8Array.from(chunk))
    return Buffer.concat(chunks)
  }

  test('made while pushes go on, it restores to a registry that is whole', async () => {
    const image = await pushImage('v1', [500, 5000, 500_000])
    let over = false
    const pushing = (async () => {
      for (let n = 0; !over; n++) await pushImage(`more-${n}`, [100, 2000])
    })()
    const file = await makeBackup()
    over = true
    await pushing
    const folder = mkdtempSync(join(tmpdir(), 'trow-restored-'))
    await restoreInto(folder, file)
    await stores.close()
    const metadata = openLocalMetadata({ folder })
    const blobs = await openDiskBlobStore({ folder, reserve: 0 })
    const events: FsckEvent[] = []
    for await (const event of checkStorage(
      { metadata, blobs, clocks: stores.clock, policy: {} },
      { repair: false, rate: 0 },
    ))
      events.push(event)
    assert.deepEqual(events.filter((event) => event.kind === 'problem'), []) // prettier-ignore
    assert.equal((await metadata.findManifest(repository, parseTag('v1')))?.digest, image.digest)
    await blobs.close()
    await metadata.close()
    rmSync(folder, { recursive: true })
    stores = await openStores()
  })

  test('a second one is refused while one runs, and no garbage is collected before its end', async () => {
    await pushImage('v1', [500, 500_000, 500_000])
    await push(7000)
    await pass(grace * 1.2)
    const { metadata, blobs, clock } = stores
    const parts = { metadata, blobs, clocks: clock, holder: 'test' }
    const running = backup(parts)
    const chunks = [(await running.next()).value as Uint8Array].map((chunk) => Uint8Array.from(chunk))
    await assert.rejects(backup(parts).next(), { code: 'GARBAGE_BUSY' })
    assert.deepEqual(await collect(), [{ kind: 'busy' }])
    for await (const chunk of running) chunks.push(Uint8Array.from(chunk))
    assert.equal(readBackupTail(Buffer.concat(chunks).subarray(-tailRoom))?.blobs, 3)
    assert.ok(subjects(await collect(), 'unlinked').length > 0, 'its lease is still held')
  })

  test('one whose lease was lost ends, also where it is free again', async () => {
    await pushImage('v1', [500, 500_000, 500_000])
    const { metadata, blobs, clock } = stores
    const running = backup({ metadata, blobs, clocks: clock, holder: 'test' })
    await running.next()
    clock.now += 100_000
    assert.equal(
      await metadata.garbage.acquireLease({ name: 'garbage', holder: 'other', ttl: 60_000, now: clock.now }),
      true,
    )
    await metadata.garbage.releaseLease({ name: 'garbage', holder: 'other' })
    await assert.rejects(Array.fromAsync(running), { code: 'BACKUP_INCOMPLETE' })
  })

  test('what was lost before is left out and listed; the rest is kept', async () => {
    const image = await pushImage('v1', [500, 5000, 6000])
    const lost = dataFiles().find((file) => statSync(join(stores.folder, file)).size === 5000) as string
    unlinkSync(join(stores.folder, lost))
    const file = await makeBackup()
    const tail = readBackupTail(file.subarray(-tailRoom))
    const contents = { blobs: 3, bytes: 11_500, manifests: 1 }
    assert.deepEqual(tail, { blobs: 1, bytes: 6000, contents, missing: 1, missingDigests: [image.blobs[1]] })
    const folder = mkdtempSync(join(tmpdir(), 'trow-restored-'))
    assert.equal((await restoreInto(folder, file)).missing, 1)
    rmSync(folder, { recursive: true })
  })

  test('a blob that goes while it runs fails it', async () => {
    await pushImage('v1', [2_000_000, 3_000_000])
    const { metadata, blobs, clock } = stores
    const running = backup({ metadata, blobs, clocks: clock, holder: 'test' })
    let seen = 0
    await assert.rejects(
      async () => {
        for await (const chunk of running) {
          seen += chunk.length
          if (seen > 100_000) for (const file of dataFiles()) await blobs.remove(basename(file) as DataKey)
        }
      },
      { code: 'BACKUP_INCOMPLETE' },
    )
    assert.ok(seen > 100_000)
  })

  test('what is not whole, damaged, newer or no backup at all is refused, and serves nothing', async () => {
    await pushImage('v1', [500, 50_000])
    const file = await makeBackup()
    const damaged = Buffer.from(file)
    damaged.fill(0x41, 3000, 3100)
    const newer = Buffer.from(file.toString('latin1').replace('"version":1', '"version":9'), 'latin1')
    for (const [bytes, code] of [
      [file.subarray(0, file.length - 2000), 'BACKUP_TRUNCATED'],
      [file.subarray(0, 20_000), 'BACKUP_TRUNCATED'],
      [damaged, 'BACKUP_DAMAGED'],
      [newer, 'BACKUP_NEWER'],
      [randomBytes(5000), 'BACKUP_INVALID'],
      [Buffer.alloc(0), 'BACKUP_INVALID'],
    ] as const) {
      const folder = mkdtempSync(join(tmpdir(), 'trow-restored-'))
      await assert.rejects(restoreInto(folder, bytes), { code })
      assert.deepEqual(globSync('trow.db', { cwd: folder }), [])
      rmSync(folder, { recursive: true })
    }
  })
})

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, suite, test, type TestContext } from 'node:test'
import type { Worker } from 'node:worker_threads'
import type { ByteSource, DataKey } from '../../src/blobs/blob-store.ts'
import { Reserve } from '../../src/blobs/reserve.ts'
import { startThread } from '../../src/serve/threads/threads.ts'
import type { Log } from '../../src/log.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { OciError } from '../../src/oci/oci-error.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import { openEngines, openKeptHeads } from '../../src/storage/open-engines.ts'
import type { StorageEngine, StorageSettings } from '../../src/storage/storage-engine.ts'
import { openBlobs, openMetadata } from '../../src/storage/thread-stores.ts'
import type { Ticket } from '../../src/storage/ticket.ts'
import { UserError } from '../../src/user-error.ts'

suite('the door to engines', () => {
  const root = mkdtempSync(join(tmpdir(), 'trow-engines-'))
  after(() => rmSync(root, { recursive: true }))
  const settingsOf = (name: string): StorageSettings => ({
    folder: join(root, name),
    reserve: 0,
    cacheBytes: 0,
    s3Redirect: false,
    env: {},
  })
  const repository = parseRepositoryName('a/b')
  const upload = { id: 'u1', repository, algorithm: 'sha256', now: 1 } as const

  test('stores of two threads, each opened with a ticket that was posted to it, know the same', async (t) => {
    const { engine } = await serve(t, settingsOf('posted'))
    const [worker, beside] = [post(engine.attach(0)), post(engine.attach())]
    const one = await openMetadata(worker, { cacheBytes: 1_000_000 })
    const other = await openMetadata(beside, { cacheBytes: 1_000_000 })
    const [mine, theirs] = [await openBlobs(worker), await openBlobs(beside)]
    try {
      // Waits until the writer runs. Otherwise the upload would have been sent during its start, before the
      // look-up.
      await engine.probe()
      await one.createUpload(upload)
      assert.equal((await other.findUpload(repository, upload.id))?.id, upload.id)
      const digest = parseDigest(`sha256:${'a'.repeat(64)}`)
      const content = { kind: 'inline', bytes: Buffer.from('x') } as const
      await one.putBlob({ repository, digest, size: 1, content, uploadId: upload.id, now: 1 })
      assert.equal((await other.findLink(repository, digest))?.size, 1)
      assert.deepEqual(await one.unlinkBlob({ repository, digest, now: 2 }), { kind: 'removed' })
      assert.equal(await other.findLink(repository, digest), undefined)

      const key = '0'.repeat(32) as DataKey
      await mine.adopt(key, Readable.from([Buffer.alloc(100_000)]) as ByteSource)
      const reader = await theirs.open(key)
      assert.equal(reader?.size, 100_000)
      reader.close()
    } finally {
      for (const store of [one, other, mine, theirs]) await store.close()
    }
  })

  test('one process has a registry; what it made is there for the next, and is not fresh then', async () => {
    const settings = settingsOf('locked')
    const first = await openEngines(settings)
    assert.equal(first.fresh, true)
    await assert.rejects(openEngines(settings), { code: 'FOLDER_LOCKED' })
    const { metadata, close } = await first.openStores()
    await metadata.createUpload(upload)
    await metadata.outbox.saveHead('changes', 'a head')
    await close()
    await first.close()

    const second = await openEngines(settings, { existing: true })
    assert.equal(second.fresh, false)
    const stores = await second.openStores()
    assert.equal((await stores.metadata.findUpload(repository, upload.id))?.id, upload.id)
    // Readable while another process has the storage open.
    const heads = await openKeptHeads(settings)
    assert.equal(await heads?.head('changes'), 'a head')
    heads?.close()
    await stores.close()
    await second.close()
  })

  test('where a registry is to be and is none, nothing is made', async () => {
    const settings = settingsOf('none')
    await assert.rejects(
      openEngines(settings, { existing: true }),
      (error: unknown) => error instanceof UserError && error.code === 'NO_REGISTRY',
    )
    assert.equal(await openKeptHeads(settings), undefined)
    assert.equal(existsSync(settings.folder), false)
  })

  test('an engine that cannot go on says so, and that nothing can be written', async (t) => {
    const { engine, threads } = await serve(t, settingsOf('dead'))
    const { health, freeBytes } = await engine.probe()
    assert.deepEqual(health, { ok: true })
    assert.ok(freeBytes > 0)
    for (const thread of threads) await thread.terminate()
    assert.equal(await engine.ended, 'writer')
    await assert.rejects(
      engine.probe(),
      (error: unknown) => error instanceof OciError && error.code === 'UNAVAILABLE',
    )
  })

  test('a disk that is full up to the reserve takes no writes, and the engine says that of it', async (t) => {
    const { engine } = await serve(t, { ...settingsOf('full'), reserve: Number.MAX_SAFE_INTEGER })
    const { health, freeBytes } = await engine.probe()
    assert.deepEqual(health, { ok: false, reason: 'the disk is full up to the reserve' })
    assert.ok(freeBytes < 0)
  })
})

const log: Log = { debug() {}, info() {}, warn() {}, error() {} }

async function serve(
  t: TestContext,
  settings: StorageSettings,
): Promise<{ engine: StorageEngine; threads: readonly Worker[] }> {
  const engines = await openEngines(settings)
  const threads: Worker[] = []
  const engine = engines.serve({
    workers: 1,
    poolSize: 4,
    unrecorded: 'refuse',
    reserve: Reserve.of(settings.reserve),
    log,
    startThread(module, data) {
      const thread = startThread(module, data)
      threads.push(thread)
      return thread
    },
  })
  t.after(async () => {
    await engine.stop()
    await engines.close()
  })
  return { engine, threads }
}

/** Copies the ticket as posting it to a thread does. */
function post(ticket: Ticket): Ticket {
  return structuredClone(ticket, { transfer: [...ticket.ports] })
}

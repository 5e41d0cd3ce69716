import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openDiskBlobStore } from '../../src/blobs/disk/disk-blob-store.ts'
import type { BlobStore } from '../../src/blobs/blob-store.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import { collectGarbage, type GarbagePolicy } from '../../src/registry/garbage.ts'
import { openStore, TestPostgres } from '../metadata/postgres/open-postgres.ts'
import { missing } from '../requirements.ts'
import { quiet, repository, sha256 } from './stores.ts'

const skip = missing('initdb', 'postgres')
const hour = 3_600_000

suite('garbage of a registry in PostgreSQL', { skip }, () => {
  const postgres = new TestPostgres()
  const folder = mkdtempSync(join(tmpdir(), 'trow-postgres-garbage-'))
  let metadata: MetadataStore
  let blobs: BlobStore
  before(async () => {
    metadata = openStore(await postgres.newRegistry())
    blobs = await openDiskBlobStore({ folder, reserve: 0 })
  })
  after(async () => {
    await metadata.close()
    await blobs.close()
    rmSync(folder, { recursive: true })
  })

  test('goes by the clock of the server: that of the process may be days ahead', async () => {
    const content = Buffer.from('kept')
    const key = 'b'.repeat(32)
    const digest = sha256(content)
    const blob = {
      repository,
      digest,
      size: content.length,
      content: { kind: 'inline', bytes: content },
    } as const
    await metadata.putBlob({ ...blob, uploadId: undefined, now: Date.now() })
    await metadata.garbage.pendOrphans({ keys: [key as never] })
    const collect = async (policy: Partial<GarbagePolicy>, ahead: number): Promise<string[]> => {
      const clocks = { wall: () => Date.now() + ahead, monotonic: () => performance.now() }
      const all = { grace: hour, uploadExpiry: hour, untagged: [], deleteDelay: hour, ...policy }
      const parts = { metadata, blobs, log: quiet, clocks, policy: all, holder: 'test' }
      const events = await Array.fromAsync(collectGarbage(parts, { dryRun: false, orphans: 'never' }))
      return events.map((event) => (event.kind === 'item' ? event.action : event.kind))
    }
    assert.deepEqual(await collect({}, 48 * hour), ['freed'])
    assert.deepEqual(await metadata.garbage.pendingDeletes(10), [key])
    assert.ok(await metadata.findLink(repository, digest))
    assert.deepEqual(await collect({ deleteDelay: 0 }, -48 * hour), ['freed'])
    assert.deepEqual(await metadata.garbage.pendingDeletes(10), [])
  })
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { MetadataStore } from '../../../src/metadata/metadata-store.ts'
import { defaultOutboxBound, type OutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import { Generations } from '../../../src/metadata/cache/generations.ts'
import { openLocalMetadata } from '../../../src/metadata/sqlite/sqlite-metadata-store.ts'
import { databasePath, openForWriting } from '../../../src/metadata/sqlite/sqlite-file.ts'
import { SqliteWriter } from '../../../src/metadata/sqlite/sqlite-writer.ts'
import { UploadClaims } from '../../../src/metadata/sqlite/upload-claims.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { parseTag } from '../../../src/oci/tag.ts'
import { manifestOf } from '../metadata-store-contract.ts'
import { outboxContract } from '../outbox-contract.ts'
import { openInProcess, openThroughPorts } from './open-sqlite.ts'

outboxContract('SQLite through ports', openThroughPorts)
outboxContract('SQLite in this thread', openInProcess)

const repository = parseRepositoryName('bounded')

async function withStore(bound: OutboxBound, work: (store: MetadataStore) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'trow-outbox-'))
  const store = openLocalMetadata({ folder, bound })
  try {
    await work(store)
  } finally {
    await store.close()
    rmSync(folder, { recursive: true })
  }
}

suite('an outbox that the log does not empty', () => {
  const put = (store: MetadataStore, tag: string, now: number): Promise<unknown> =>
    store.putManifest(
      manifestOf(repository, tag, { tags: [parseTag(tag)], now, auditRecord: `push of ${tag}` }),
    )

  const few = { rows: 2, bytes: 1e6 }
  const bound: OutboxBound = { changes: few, denials: few, beyond: 'refuse' }

  test('refuses changes beyond its bound, changes nothing, and goes on once there is room', async () => {
    await withStore(bound, async (store) => {
      await put(store, 'a', 1)
      await put(store, 'b', 2)
      await assert.rejects(put(store, 'c', 3), { code: 'UNAVAILABLE' })
      await assert.rejects(store.outbox.record(['a robot'], 3), { code: 'UNAVAILABLE' })
      assert.equal(await store.findManifest(repository, parseTag('c')), undefined)
      assert.equal((await store.outbox.size()).rows, 2)
      await store.outbox.forget((await store.outbox.read({ after: 0, limit: 1 }))[0]?.id ?? 0)
      await put(store, 'c', 4)
      assert.ok(await store.findManifest(repository, parseTag('c')))
    })
  })

  test('is bounded in bytes, too', async () => {
    await withStore({ ...bound, changes: { rows: 1000, bytes: 3000 } }, async (store) => {
      let taken = 0
      await assert.rejects(
        async () => {
          for (; ; taken++) await store.outbox.record(['x'.repeat(1000)], 1)
        },
        { code: 'UNAVAILABLE' },
      )
      assert.equal(taken, 4)
    })
  })

  test('full of denials still takes changes, and full of changes still takes denials', async () => {
    await withStore(bound, async (store) => {
      const { denials } = store.outbox
      await denials.record(['one', 'two'], 1)
      await assert.rejects(denials.record(['three'], 2), { code: 'UNAVAILABLE' })
      await put(store, 'a', 3)
      await put(store, 'b', 4)
      await assert.rejects(put(store, 'c', 5), { code: 'UNAVAILABLE' })
      const [first] = await denials.read({ after: 0, limit: 1 })
      await denials.forget(first?.id ?? 0)
      await denials.record(['four'], 6)
      assert.deepEqual((await denials.read({ after: 0, limit: 9 })).map(({ auditRecord }) => auditRecord), ['two', 'four']) // prettier-ignore
      assert.equal((await store.outbox.size()).rows, 2)
    })
    const { changes, denials } = defaultOutboxBound
    assert.ok(denials.rows < changes.rows && denials.bytes < changes.bytes)
  })

  test('denials that went unrecorded are counted by themselves', async () => {
    await withStore({ ...bound, beyond: 'allow' }, async (store) => {
      const { denials } = store.outbox
      for (let now = 1; now <= 5; now++) await denials.record([`${now}`], now)
      assert.equal((await store.outbox.size()).rows, 0)
      await denials.forget((await denials.read({ after: 0, limit: 9 })).at(-1)?.id ?? 0)
      const [gap] = await denials.read({ after: 0, limit: 9 })
      assert.deepEqual(gap?.facts, { unrecorded: { count: 3, since: 3, until: 5 } })
      assert.deepEqual(await store.outbox.read({ after: 0, limit: 9 }), [])
    })
  })

  test('lets changes go on where it was told so, and says afterwards how many it does not know', async () => {
    await withStore({ ...bound, beyond: 'allow' }, async (store) => {
      for (const [index, tag] of ['a', 'b', 'c', 'd', 'e'].entries()) await put(store, tag, 10 + index)
      assert.ok(await store.findManifest(repository, parseTag('e')))
      const [first, second, ...more] = await store.outbox.read({ after: 0, limit: 10 })
      assert.deepEqual([first?.auditRecord, second?.auditRecord, more], ['push of a', 'push of b', []])
      await store.outbox.forget(second?.id ?? 0)
      const [gap, ...rest] = await store.outbox.read({ after: second?.id ?? 0, limit: 10 })
      assert.deepEqual(gap?.facts, { unrecorded: { count: 3, since: 12, until: 14 } })
      assert.deepEqual([gap?.auditRecord, rest], [undefined, []])
      await put(store, 'f', 20)
      assert.equal((await store.outbox.read({ after: gap?.id ?? 0, limit: 10 }))[0]?.auditRecord, 'push of f')
    })
  })

  for (const beyond of ['refuse', 'allow'] as const) {
    test(`a note for which the disk has no room: ${beyond}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'trow-outbox-'))
      const database = openForWriting(databasePath(folder))
      const bound = { ...defaultOutboxBound, beyond }
      const writer = new SqliteWriter({
        database,
        generations: new Generations(),
        claims: new UploadClaims(),
        bound,
      })
      const push = manifestOf(repository, 'm', { tags: [parseTag('a')], now: 1 })
      await writer.run('putManifest', push)
      // The database may not grow beyond its present size.
      const pages = database.query('pragma page_count')?.['page_count']
      database.execute(`pragma max_page_count = ${Number(pages)}`)
      const deletion = { repository, tag: parseTag('a'), now: 2, auditRecord: 'x'.repeat(100_000) }
      const rows = (): unknown[] => [
        database.query('select count(*) as n from tag')?.['n'],
        database.query('select count(*) as n from outbox')?.['n'],
      ]
      if (beyond === 'refuse') {
        await assert.rejects(writer.run('deleteTag', deletion), { code: 'STORAGE_FULL' })
        assert.deepEqual(rows(), [1, 0])
      } else {
        assert.equal(await writer.run('deleteTag', deletion), true)
        assert.deepEqual(rows(), [0, 0])
        await writer.run('recordChanges', { auditRecords: ['x'.repeat(200_000)], now: 2 })
        await writer.run('recordDenials', { auditRecords: ['x'.repeat(200_000)], now: 2 })
        database.execute('pragma max_page_count = 100000')
        await writer.run('recordChanges', { auditRecords: ['later'], now: 3 })
        const gap = database.query('select facts from outbox where note is null')?.['facts']
        assert.deepEqual(JSON.parse(String(gap)), { unrecorded: { count: 2, since: 2, until: 2 } })
        assert.deepEqual(rows(), [0, 2])
        await writer.run('recordDenials', { auditRecords: ['later'], now: 3 })
        const denied = database.query('select facts from denial_outbox where note is null')?.['facts']
        assert.deepEqual(JSON.parse(String(denied)), { unrecorded: { count: 1, since: 2, until: 2 } })
      }
      database.close()
      rmSync(folder, { recursive: true })
    })
  }
})

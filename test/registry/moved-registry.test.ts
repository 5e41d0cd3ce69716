import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, suite, test } from 'node:test'
import type { ByteSource } from '../../src/blobs/blob-store.ts'
import { freshReads } from '../../src/metadata/postgres/barrier.ts'
import { movedTables } from '../../src/metadata/transfer/moved-tables.ts'
import type { EncodedAuditRecord } from '../../src/metadata/outbox.ts'
import type { PolicyDocumentEdit, SharedPolicies } from '../../src/metadata/policy-generation.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag } from '../../src/oci/tag.ts'
import { backup } from '../../src/registry/backup.ts'
import { restore } from '../../src/registry/restore.ts'
import { openEngines } from '../../src/storage/open-engines.ts'
import { openRestoreStorage } from '../../src/storage/restore-storage.ts'
import type { TakenPolicies } from '../../src/storage/policy-folder.ts'
import type { LocalStores, StorageSettings } from '../../src/storage/storage-engine.ts'
import { manifestOf } from '../metadata/metadata-store-contract.ts'
import { missing } from '../requirements.ts'
import { PostgresServer, queryAt } from '../support/postgres-server.ts'
import { sha256 } from './stores.ts'

/** Manifests of the registry that is moved; `TROW_TEST_MANIFESTS` for a large one. */
const count = Number(process.env['TROW_TEST_MANIFESTS'] ?? 1200)
const skip = missing('initdb', 'postgres')
const clocks = { wall: Date.now }
const [image, other] = [parseRepositoryName('moved/image'), parseRepositoryName('moved/other')]
const layer = Buffer.from('a layer that is stored')
const note = (text: string): EncodedAuditRecord => JSON.stringify({ text }) as EncodedAuditRecord

suite('a registry that is moved between engines by a backup', { skip }, () => {
  const root = mkdtempSync(join(tmpdir(), 'trow-moved-'))
  let server: PostgresServer | undefined
  after(async () => {
    await server?.stop()
    rmSync(root, { recursive: true })
  })

  const settingsOf = (name: string, database?: string): StorageSettings => ({
    folder: join(root, name),
    reserve: 0,
    database:
      database === undefined
        ? undefined
        : { url: database, passwordFile: undefined, workers: 0, limits: freshReads },
    cacheBytes: 0,
    s3Redirect: false,
    env: {},
  })

  async function newDatabase(): Promise<string> {
    server ??= await PostgresServer.start(['fsync=on', 'max_wal_size=4GB'])
    return server.newDatabase()
  }

  async function using<Result>(
    settings: StorageSettings,
    work: (stores: LocalStores) => Promise<Result>,
  ): Promise<Result> {
    const engines = await openEngines(settings)
    const stores = await engines.openStores()
    try {
      return await work(stores)
    } finally {
      await stores.close()
      await engines.close()
    }
  }

  async function fill({ metadata, blobs }: LocalStores): Promise<void> {
    const key = randomBytes(16).toString('hex') as never
    await blobs.adopt(key, (async function* () { yield layer })()) // prettier-ignore
    const stored = { kind: 'stored', key } as const
    const small = Buffer.from('small')
    const inline = { kind: 'inline', bytes: small } as const
    const common = { repository: image, uploadId: undefined, now: 1 }
    await metadata.putBlob({ ...common, digest: sha256(layer), size: layer.length, content: stored })
    await metadata.putBlob({ ...common, digest: sha256(small), size: small.length, content: inline })
    const references = [
      { digest: sha256(layer), size: layer.length, kind: 'layer', required: true } as const,
      { digest: sha256(small), size: small.length, kind: 'config', required: true } as const,
    ]
    for (let start = 0; start < count; start += 100) {
      await Promise.all(
        Array.from({ length: Math.min(100, count - start) }, (_, index) => {
          const tags = [parseTag(`v${start + index}`), ...(index === 0 ? [parseTag('latest')] : [])]
          return metadata.putManifest(
            manifestOf(image, `manifest ${start + index}`, { references, tags, now: 2 }),
          )
        }),
      )
    }
    const gone = manifestOf(image, 'gone', { tags: [parseTag('gone')], now: 3, pusher: 'somebody' })
    await metadata.putManifest(gone)
    await metadata.deleteManifest({ repository: image, digest: gone.digest, now: 4 })
    await metadata.outbox.record([note('first'), note('second')], 5)
    await metadata.outbox.read({ after: 0, limit: 10 })
    await metadata.outbox.record([note('third')], 6)
    const robot = { name: 'robot', secretHash: 'h', credentialId: 'c', grants: '[]', createdAt: 7 }
    await metadata.access.addRobot({ ...robot, description: undefined, expiresAt: undefined })
    await metadata.createUpload({ id: randomUUID(), repository: other, algorithm: 'sha256', now: 8 })
  }

  async function move(from: StorageSettings, to: StorageSettings): Promise<TakenPolicies> {
    return using(from, async ({ metadata, blobs }) => {
      const target = await openRestoreStorage(to)
      const source = backup({ metadata, blobs, clocks, holder: 'test' })
      await restore(source as ByteSource, target)
      const policies = target.policies()
      await target.keep()
      return policies
    })
  }

  /** What the tables hold that a backup holds. */
  async function contentOf(settings: StorageSettings): Promise<Record<string, unknown>> {
    const content: Record<string, unknown> = {}
    const file =
      settings.database === undefined ? new DatabaseSync(join(settings.folder, 'trow.db')) : undefined
    for (const { name, key } of movedTables) {
      if (name === 'setting') continue
      const columns = (
        reference.prepare(`select name from pragma_table_info('${name}')`).all() as { name: string }[]
      ).map((column) => column.name)
      const text = `select ${columns.join(', ')} from ${name} order by ${key.join(', ')}`
      const rows = file?.prepare(text).all() ?? (await queryAt(settings.database?.url ?? '', text))
      content[name] = sha256(JSON.stringify(rows.map((row) => columns.map((column) => plain(row[column])))))
      content[`${name}, rows`] = rows.length
    }
    file?.close()
    return content
  }
  const reference = new DatabaseSync(':memory:')
  /** The drivers differ in how they show numbers and bytes. */
  const plain = (value: unknown): unknown =>
    value instanceof Uint8Array
      ? Buffer.from(value).toString('hex')
      : typeof value === 'number'
        ? `${value}`
        : value

  test('from a folder into a database and back, row by row', async (context) => {
    const [folder, back] = [settingsOf('folder'), settingsOf('back')]
    const [database, again] = [
      settingsOf('database', await newDatabase()),
      settingsOf('again', await newDatabase()),
    ]
    await using(folder, fill)
    const schema = new DatabaseSync(join(folder.folder, 'trow.db'))
    for (const { sql } of schema
      .prepare(`select sql from sqlite_master where type = 'table' and name not like 'sqlite_%'`)
      .all() as { sql: string }[])
      reference.exec(sql)
    schema.close()
    const began = performance.now()
    await move(folder, database)
    await move(database, again)
    await move(again, back)
    context.diagnostic(
      `${count} manifests moved three times in ${Math.round(performance.now() - began)} ms, ${Math.round(process.memoryUsage().rss / 1e6)} MB resident`,
    )
    const whole = await contentOf(folder)
    assert.equal(whole['manifest, rows'], count)
    assert.ok(Number(whole['past_tag, rows']) > 0 && Number(whole['past_manifest, rows']) > 0)
    for (const settings of [database, again, back]) assert.deepEqual(await contentOf(settings), whole)
    for (const settings of [database, again, back]) {
      await using(settings, async ({ metadata, blobs }) => {
        const found = await metadata.findManifest(image, parseTag('latest'))
        assert.ok(found)
        const blob = await metadata.findBlob(image, sha256(layer))
        assert.ok(blob?.content.kind === 'stored')
        assert.equal(await blobs.size(blob.content.key), layer.length)
        // Records keep their numbers, and the next one comes after them.
        const waiting = await metadata.outbox.read({ after: 0, limit: 10 })
        assert.deepEqual(
          waiting.map(({ auditRecord }) => auditRecord),
          [note('first'), note('second'), note('third')],
        )
        const ids = waiting.map(({ id }) => id)
        assert.deepEqual(
          ids,
          ids.toSorted((a, b) => a - b),
        )
        await metadata.outbox.record([note('later')], 9)
        const [later] = await metadata.outbox.read({ after: ids.at(-1) ?? 0, limit: 10 })
        assert.equal(later?.auditRecord, note('later'))
        // New rows do not meet the old ones.
        const pushed = manifestOf(other, 'new', { tags: [parseTag('new')], now: 10 })
        assert.deepEqual(await metadata.putManifest(pushed), { kind: 'stored' })
        const digest = parseDigest(`sha256:${'a'.repeat(64)}`)
        const content = { kind: 'inline', bytes: Buffer.from('x') } as const
        await metadata.putBlob({ repository: other, digest, size: 1, content, uploadId: undefined, now: 11 })
      })
      assert.deepEqual(
        readdirSync(settings.folder).filter((name) => /snapshot|restoring|unfinished/.test(name)),
        [],
      )
    }
  })

  const sharedPolicies = ({ policy }: LocalStores['metadata']): SharedPolicies => {
    assert.equal(policy.kind, 'shared')
    return policy as SharedPolicies
  }
  const most = { documents: 10, characters: 10_000 }
  const documentOf = (name: string): string => JSON.stringify({ kind: 'TrowPolicy', metadata: { name } })
  const policyOf = (name: string): PolicyDocumentEdit => ({
    kind: 'TrowPolicy',
    name,
    content: { document: documentOf(name), hash: `hash of ${name}` },
    from: undefined,
    changedBy: 'somebody',
    most,
  })

  test('policies of a database come along, through a registry in a folder too, where they are files', async () => {
    const first = settingsOf('policies', await newDatabase())
    await using(first, async ({ metadata }) => {
      for (const name of ['changed', 'gone', 'changed', 'kept'])
        await sharedPolicies(metadata).writeDocument(policyOf(name))
      await sharedPolicies(metadata).writeDocument({ ...policyOf('gone'), content: undefined })
    })
    const documents = await using(first, ({ metadata }) => sharedPolicies(metadata).documents(0))
    assert.deepEqual(
      documents.map(({ name }) => name),
      ['changed', 'kept'],
    )
    const second = settingsOf('policies-again', await newDatabase())
    assert.deepEqual(await move(first, second), { count: 2, folder: undefined })
    const folder = settingsOf('policies-folder')
    const files = join(folder.folder, 'restored-policies')
    assert.deepEqual(await move(second, folder), { count: 2, folder: files })
    assert.deepEqual(
      readdirSync(files).map((name) => [name, readFileSync(join(files, name), 'utf8')]),
      ['changed', 'kept'].map((name) => [`trowpolicy-${name}.json`, `${documentOf(name)}\n`]),
    )
    const third = settingsOf('policies-back', await newDatabase())
    await move(folder, third)
    for (const settings of [second, third]) {
      await using(settings, async ({ metadata }) => {
        const shared = sharedPolicies(metadata)
        assert.deepEqual(await shared.documents(0), documents)
        // Who has read them sees the next change.
        const newest = Math.max(...documents.map(({ version }) => version))
        await shared.writeDocument(policyOf('later'))
        const later = (await shared.documents(newest)).filter(({ document }) => document !== undefined)
        assert.deepEqual(
          later.map(({ name }) => name),
          ['later'],
        )
      })
    }
  })

  test('a restore that fails leaves the database empty; one that is not empty is refused', async () => {
    const [folder, url] = [settingsOf('source'), await newDatabase()]
    await using(folder, fill)
    const to = settingsOf('failed', url)
    await using(folder, async ({ metadata, blobs }) => {
      const target = await openRestoreStorage(to)
      async function* cutOff(): ByteSource {
        let left = 3
        for await (const chunk of backup({ metadata, blobs, clocks, holder: 'test' })) {
          if (left-- === 0) throw new Error('cut off')
          yield chunk
        }
      }
      await assert.rejects(restore(cutOff(), target), { code: 'BACKUP_TRUNCATED' })
      await target.undo()
    })
    const tables = `select count(*)::int as count from pg_class where relnamespace = 'public'::regnamespace`
    assert.deepEqual(await queryAt(url, tables), [{ count: 0 }])
    await move(folder, to)
    await assert.rejects(openRestoreStorage(settingsOf('second', url)), {
      code: 'DATABASE_NOT_EMPTY',
      message: 'the database holds a registry already',
    })
    assert.ok(!readdirSync(root).includes('second'))
  })
})

import assert from 'node:assert/strict'
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { suite, test } from 'node:test'
import { changes } from '../../../src/metadata/rules/changes.ts'
import { Generations } from '../../../src/metadata/cache/generations.ts'
import { databasePath, openForWriting } from '../../../src/metadata/sqlite/sqlite-file.ts'
import { SqliteWriter } from '../../../src/metadata/sqlite/sqlite-writer.ts'
import * as contents from '../../../src/metadata/rules/statements/contents.ts'
import * as garbageStatements from '../../../src/metadata/rules/statements/garbage.ts'
import * as history from '../../../src/metadata/rules/statements/history.ts'
import * as reads from '../../../src/metadata/rules/statements/reads.ts'
import { repositoryByName } from '../../../src/metadata/rules/statements/repositories.ts'
import * as untagged from '../../../src/metadata/rules/statements/untagged.ts'
import { openSqliteMetadata } from '../../../src/metadata/sqlite/sqlite-metadata-store.ts'
import { PortRunner, WriterPorts } from '../../../src/metadata/sqlite/writer-port.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { UploadClaims } from '../../../src/metadata/sqlite/upload-claims.ts'
import { accessStoreContract } from '../access-store-contract.ts'
import { contentStoreContract } from '../content-store-contract.ts'
import { historyStoreContract } from '../history-store-contract.ts'
import { metadataStoreContract, snapshotContract } from '../metadata-store-contract.ts'
import { newFolder, openInProcess, openThroughPorts } from './open-sqlite.ts'

metadataStoreContract('SQLite through ports', openThroughPorts)
metadataStoreContract('SQLite in this thread', openInProcess)
snapshotContract('SQLite', openInProcess)
accessStoreContract('SQLite through ports', openThroughPorts)
accessStoreContract('SQLite in this thread', openInProcess)
contentStoreContract('SQLite through ports', openThroughPorts)
contentStoreContract('SQLite in this thread', openInProcess)
historyStoreContract('SQLite through ports', openThroughPorts)
historyStoreContract('SQLite in this thread', openInProcess)

test(
  'a thread that opens no uploads is never waited for, however busy it is',
  { timeout: 10_000 },
  async () => {
    const folder = newFolder()
    const generations = new Generations()
    const claims = new UploadClaims()
    const database = openForWriting(databasePath(folder))
    const ports = new WriterPorts(new SqliteWriter({ database, generations, claims }), claims)
    // Nothing answers at the other end of this port.
    const busy = new MessageChannel()
    ports.serve(busy.port1, { opensUploads: false })
    const { port1, port2 } = new MessageChannel()
    ports.serve(port1, { opensUploads: true })
    const changes = new PortRunner(port2)
    const store = openSqliteMetadata({ folder, generations, cacheBytes: 1_000_000, changes })
    assert.equal(await store.findUpload(parseRepositoryName('some/name'), 'none'), undefined)
    await store.close()
    busy.port1.close()
    database.close()
    rmSync(folder, { recursive: true })
  },
)

test('a change that fails takes none of those along that are committed with it', async () => {
  const folder = newFolder()
  const database = openForWriting(databasePath(folder))
  const writer = new SqliteWriter({ database, generations: new Generations(), claims: new UploadClaims() })
  const repository = parseRepositoryName('some/name')
  const create = (id: string): Promise<unknown> =>
    writer.run('createUpload', { id, repository, algorithm: 'sha256', now: 1 })
  const done = await Promise.allSettled(['a', 'b', 'a', 'c'].map(create))
  assert.deepEqual(
    done.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
  )
  assert.equal(database.query('select group_concat(id) as ids from upload')?.['ids'], 'a,b,c')
  assert.equal(database.query('select count(*) as n from repository')?.['n'], 1)
  database.close()
  rmSync(folder, { recursive: true })
})

suite('the schema', () => {
  test('no statement of a request scans a table', () => {
    const folder = newFolder()
    openForWriting(databasePath(folder)).close()
    const database = new DatabaseSync(databasePath(folder))
    const ofNoRequest = [
      'blobsAfter', 'counts', 'denialsSize', 'loginSources', 'manifestsAfter', 'missingChildren', 'outboxSize', 'pendingDeletes',
      'robots', 'signingKeys', 'storedBlobs',
    ] // prettier-ignore
    const statements = Object.entries({ ...reads, ...untagged, ...contents, ...history, repositoryByName })
    for (const [name, { sql }] of statements.filter(([each]) => !ofNoRequest.includes(each))) {
      const plan = database.prepare(`explain query plan ${sql}`).all() as { detail: string }[]
      const scans = plan
        .map(({ detail }) => detail)
        .filter((detail) => /^SCAN (?!CONSTANT|(listed|chain|target)\b)/.test(detail))
      assert.deepEqual(scans, [], name)
      const sorts = plan.map(({ detail }) => detail).filter((detail) => detail.includes('TEMP B-TREE'))
      assert.deepEqual(sorts, [], name)
    }
    database.close()
    rmSync(folder, { recursive: true })
  })

  test('untagged manifests are paged along their index', () => {
    const folder = newFolder()
    openForWriting(databasePath(folder)).close()
    const database = new DatabaseSync(databasePath(folder))
    const firstStep = ({ sql }: { readonly sql: string }): string =>
      (database.prepare(`explain query plan ${sql}`).get() as { detail: string }).detail
    assert.match(
      firstStep(untagged.untaggedAfter),
      /INDEX manifest_untagged \(repository_id=\? AND untagged_since>\?\)/,
    )
    assert.match(firstStep(untagged.untaggedByDigest), /INDEX manifest_digest/)
    assert.match(firstStep(untagged.neededByManifest), /INDEX manifest_reference_parent/)
    database.close()
    rmSync(folder, { recursive: true })
  })

  test('no step of the collector walks what is not garbage', () => {
    const folder = newFolder()
    openForWriting(databasePath(folder)).close()
    const database = new DatabaseSync(databasePath(folder))
    const { unreferencedLinks, unlinkedBlobs, markedBlobs, untaggedManifests } = garbageStatements
    for (const { sql } of [unreferencedLinks, unlinkedBlobs, markedBlobs, untaggedManifests]) {
      const plan = database.prepare(`explain query plan ${sql}`).all() as { detail: string }[]
      const details = plan.map(({ detail }) => detail)
      assert.match(details[0] ?? '', /INDEX \w+_(unreferenced|unlinked|condemned|untagged)/)
      assert.ok(!details.some((detail) => /^SCAN|TEMP B-TREE/.test(detail)), details.join('; '))
    }
    database.close()
    rmSync(folder, { recursive: true })
  })

  test('whatever lets bytes be removed is durable before it shows', () => {
    for (const name of ['cancelUpload', 'expireUploads', 'putBlob', 'deleteMarked', 'dropBlob'] as const) {
      assert.equal(changes[name].durable, true, name)
    }
  })

  test('room of removed content goes back to the machine, in steps, and nothing else changes', async () => {
    const folder = newFolder()
    const path = databasePath(folder)
    const database = openForWriting(path)
    const writer = new SqliteWriter({ database, generations: new Generations(), claims: new UploadClaims() })
    for (let id = 1; id <= 3000; id++)
      database.execute(`insert into blob_body values (${id}, zeroblob(4000))`)
    database.execute('pragma wal_checkpoint(truncate)')
    const full = statSync(path).size
    assert.equal(await writer.run('reclaim', {}), 0)
    database.execute('delete from blob_body where blob_id % 3 > 0')
    let steps = 0
    for (let freed = -1; freed !== 0; steps++) {
      freed = Number(await writer.run('reclaim', {}))
      assert.ok(freed <= 2 ** 21)
    }
    database.execute('pragma wal_checkpoint(truncate)')
    assert.ok(steps > 3)
    assert.ok(statSync(path).size < full * 0.45, `${statSync(path).size} of ${full}`)
    assert.equal(database.query('select count(*) as n from blob_body')?.['n'], 1000)
    assert.equal(database.query('pragma integrity_check')?.['integrity_check'], 'ok')
    database.close()
    rmSync(folder, { recursive: true })
  })

  test('copies that a killed backup has left go with the next start, and nothing else', () => {
    const folder = newFolder()
    for (const name of ['snapshot-1.db', 'snapshot-1.db-journal', 'snapshot-of-mine.txt'])
      writeFileSync(join(folder, name), '')
    openForWriting(databasePath(folder)).close()
    const left = readdirSync(folder).filter((name) => name.startsWith('snapshot'))
    assert.deepEqual(left, ['snapshot-of-mine.txt'])
    rmSync(folder, { recursive: true })
  })
})

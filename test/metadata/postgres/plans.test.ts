import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, suite, test, type TestContext } from 'node:test'
import type { Connection as OpenConnection } from '../../../src/metadata/postgres/connection.ts'
import { everyStatement, type NamedStatement } from './every-statement.ts'
import { fillRegistry, many, type RegistrySize } from './large-registry.ts'
import { growing, planOf, runPlan } from './plan.ts'
import { valuesFor } from './plan-values.ts'
import { missing } from '../../requirements.ts'
import { PostgresServer } from '../../support/postgres-server.ts'

// Every statement that the metadata have is planned for any values, and run in a registry of many manifests.
// `TROW_TEST_MANIFESTS` says how many, `TROW_TEST_BODIES=none` leaves out their bodies. `npm run test:plans` takes 1,000,000,
// `npm run test:plans:large` 10,000,000 without bodies.

const size: RegistrySize = {
  manifests: Number(process.env['TROW_TEST_MANIFESTS'] ?? 20_000),
  bodies: process.env['TROW_TEST_BODIES'] !== 'none',
}

interface Figure {
  readonly name: string
  readonly pages: number
  readonly vain: number
  /** Milliseconds at the server. */
  readonly time: number
}

/** What pulls and pushes ask most often. */
const hot = [
  'reads.manifestByTag', 'reads.manifestByDigest', 'reads.blobLink', 'reads.linkedBlob', 'reads.tagsAfter', 'reads.referrersAfter',
  'manifests.linkedBlob', 'manifests.insertManifest', 'manifests.insertReference', 'tags.insertTag', 'blobs.insertBlob',
  'blobs.insertLink', 'blobs.anyParent', 'repositories.repositoryByName',
] // prettier-ignore

/** They read whole tables: for the metrics, a backup and the start of a process. */
const ofWholeTables = ['reads.counts', 'reads.outboxSize', 'reads.denialsSize', 'reads.loginSources']

/** One row, or as many as people write by hand. */
const small = [
  'lease', 'setting', 'robot', 'signing_key', 'policy_set', 'policy_in_force', 'policy_document', 'policy_revision',
  'audit_head', 'outbox_head', 'serving_process', 'change_log_floor', 'epoch', 'trow_schema',
] // prettier-ignore

/** What a statement may touch, whatever the size of the registry: it is about up to a hundred rows. */
const most = { pages: 2000, vain: 200 }
/** They look into each repository of a window of a thousand, along all moves of a tag, or at a thousand records. */
const more: Readonly<Record<string, typeof most>> = {
  'postgres.place.changes': { pages: 20_000, vain: 200 },
  'postgres.place.denials': { pages: 20_000, vain: 200 },
  'contents.parentsInWindow': { pages: 8000, vain: 200 },
  'contents.copiesInWindow': { pages: 8000, vain: 200 },
  // Until there are statistics, all sealed segments of a log are sorted.
  'postgres.audit.sealedAfter': { pages: 2000, vain: 20_000 },
  'history.forgetMoves': { pages: 10 * many, vain: many },
}
/** They are about every child of an index, here of a hundredth of all manifests, or every repository that links a base layer. */
const ofManyRows = ['reads.missingChildren', 'blobs.linksOfBlob']

test('what PostgreSQL is asked in plain SQL is about small tables: all else is a statement that is planned here', () => {
  const folder = new URL('../../../src/metadata/postgres/', import.meta.url)
  const found: string[] = []
  for (const file of readdirSync(folder)) {
    const source = readFileSync(new URL(file, folder), 'utf8')
    for (const [, text = ''] of source.matchAll(/\.run(?:<[^(]*>)?\(\s*['`]([^'`]*)/g))
      for (const [, table = ''] of text.matchAll(/\b(?:from|join|update)\s+([a-z_]+)\b(?!\()/g))
        if (!small.includes(table) && !table.startsWith('pg_')) found.push(`${file}: ${text}`)
  }
  assert.deepEqual(found, [])
})

const skip = missing('initdb', 'postgres')

suite(`plans of PostgreSQL in a registry of ${size.manifests} manifests`, { skip }, () => {
  let server: PostgresServer
  let statements: readonly NamedStatement[]
  let connection: OpenConnection
  /** Seconds. */
  let filled: number

  before(async () => {
    statements = await everyStatement()
    const { Connection } = await import('../../../src/metadata/postgres/connection.ts')
    const { prepareDatabase } = await import('../../../src/metadata/postgres/prepare-database.ts')
    server = await PostgresServer.start([
      'fsync=off',
      'full_page_writes=off',
      'wal_level=minimal',
      'max_wal_senders=0',
      'max_wal_size=2GB',
      'max_parallel_maintenance_workers=2',
      'shared_buffers=1GB',
      'autovacuum=off',
    ])
    connection = await Connection.open({ connectionString: await server.newDatabase() })
    await prepareDatabase(connection, { id: randomUUID() })
    const began = performance.now()
    await fillRegistry(connection, size)
    filled = (performance.now() - began) / 1000
  })
  after(async () => {
    connection?.close()
    await server?.stop()
  })

  async function look(t: TestContext): Promise<readonly string[]> {
    const found: string[] = []
    const figures: Figure[] = []
    await connection.run('deallocate all')
    for (const statement of statements) {
      const { name, bind } = statement
      if (ofWholeTables.includes(name)) continue
      const { root } = await planOf(connection, statement)
      found.push(...growing(root, (table) => small.includes(table)).map((what) => `${name}: ${what}`))
      const { pages = 0, vain, time = 0 } = await runPlan(connection, name, bind(valuesFor(name, size)))
      figures.push({ name, pages, vain, time })
      const bound = more[name] ?? most
      if (ofManyRows.includes(name) || (pages <= bound.pages && vain <= bound.vain)) continue
      found.push(`${name}: ${pages} pages, ${vain} rows in vain`)
    }
    for (const { name, pages, vain, time } of figures.toSorted((a, b) => b.pages - a.pages).slice(0, 15))
      t.diagnostic(`${name}: ${pages} pages, ${vain} rows in vain, ${time} ms`)
    for (const name of hot) {
      const { pages, time } = figures.find((figure) => figure.name === name) ?? assert.fail(name)
      t.diagnostic(`hot: ${name}: ${pages} pages, ${time} ms`)
    }
    assert.ok(figures.length > 180, `${figures.length}`)
    t.diagnostic(`${figures.length} statements`)
    return found
  }

  test('no statement reads or hashes a whole table, and each touches few pages: before there are statistics', async (t) => {
    assert.deepEqual(await look(t), [])
  })

  test('and with statistics', async (t) => {
    await connection.run('vacuum analyze')
    assert.deepEqual(await look(t), [])
  })

  test('the room that it takes', async (t) => {
    const { rows } = await connection.run<{ name: string; kind: string; bytes: number; rows: number }>(
      `select c.relname as name, c.relkind::text as kind, c.reltuples::bigint as rows,
         pg_relation_size(c.oid) + coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) as bytes
       from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'i')
       order by bytes desc`,
    )
    const total = rows.reduce((sum, { bytes }) => sum + bytes, 0)
    const perManifest = Math.round(total / size.manifests)
    t.diagnostic(
      `${Math.round(total / 1e6)} MB, ${perManifest} bytes for a manifest and its layers, filled in ${filled.toFixed(1)} s`,
    )
    for (const { name, kind, bytes, rows: count } of rows.slice(0, 25))
      t.diagnostic(
        `${kind === 'r' ? 'table' : 'index'} ${name}: ${(bytes / 1e6).toFixed(1)} MB, ${count} rows`,
      )
    assert.ok(rows.length > 40)
  })
})

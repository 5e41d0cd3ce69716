import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BlobStore } from '../../src/blobs/blob-store.ts'
import { S3BlobStore } from '../../src/blobs/s3/s3-blob-store.ts'
import { S3Client } from '../../src/blobs/s3/s3-client.ts'
import { S3Objects } from '../../src/blobs/s3/s3-objects.ts'
import type { Log } from '../../src/log.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { Digest } from '../../src/oci/digest.ts'
import { CommitWatch } from '../../src/registry/commit-watch.ts'
import { collectGarbage, type GarbageEvent } from '../../src/registry/garbage.ts'
import { openStore, TestPostgres } from '../metadata/postgres/open-postgres.ts'
import { missing } from '../requirements.ts'
import { queryAt } from '../support/postgres-server.ts'
import { eventually } from '../support/program.ts'
import { s3Keys, s3Programs, startS3Server, type S3Server } from '../support/s3-server.ts'
import { quiet, repository, sha256 } from './stores.ts'

const clocks = { wall: Date.now, monotonic: () => performance.now() }
const skip = missing('initdb', 'postgres', ...s3Programs)

/** One process of a registry. */
interface Process {
  readonly metadata: MetadataStore
  readonly watch: CommitWatch
  push(content: Buffer): Promise<Digest>
  collect(grace?: number): Promise<readonly GarbageEvent[]>
}

suite('commits that a database has lost, and databases that share a bucket', { skip }, () => {
  const postgres = new TestPostgres()
  let s3: S3Server
  const opened: { close(): Promise<void> }[] = []
  before(async () => (s3 = await startS3Server()))
  after(async () => {
    for (const one of opened) await one.close()
    await s3.stop()
  })

  function open(url: string, bucket: string, name: string, log: Log = quiet): Process {
    const metadata = openStore(url)
    const objects = new S3Objects(new S3Client(s3.location(bucket), s3Keys))
    const blobs: BlobStore = new S3BlobStore({
      objects,
      partBytes: 64 * 2 ** 20,
      room: () => Promise.resolve(Infinity),
    })
    opened.push(metadata, blobs)
    const watch = new CommitWatch({ metadata, blobs, clocks, log, writer: name, interval: 0 })
    return {
      metadata,
      watch,
      async push(content) {
        const key = randomBytes(16).toString('hex') as never
        await blobs.adopt(key, (async function* () { yield content })()) // prettier-ignore
        const digest = sha256(content)
        const stored = { kind: 'stored', key } as const
        const blob = { repository, digest, size: content.length, content: stored, now: Date.now() }
        await metadata.putBlob({ ...blob, uploadId: undefined })
        return digest
      },
      collect(grace = 3_600_000) {
        const policy = { grace, uploadExpiry: grace, untagged: [], deleteDelay: 0 }
        const parts = { metadata, blobs, log: quiet, clocks, policy, holder: name, commits: watch }
        return Array.fromAsync(collectGarbage(parts, { dryRun: false, orphans: 'never' }))
      },
    }
  }

  const nameOf = (url: string): string => new URL(url).pathname.slice(1)
  /** A copy of the database, as a dump of this moment would be restored. */
  async function copyOf(url: string): Promise<string> {
    const server = await postgres.server
    const name = `copy${randomBytes(4).toString('hex')}`
    await cut(url)
    await server.query('postgres', `create database ${name} template ${nameOf(url)}`)
    return server.url(name)
  }
  async function cut(url: string): Promise<void> {
    const server = await postgres.server
    await server.query(
      'postgres',
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${nameOf(url)}'`,
    )
    await sleep(50)
  }
  async function place(name: string): Promise<{ readonly url: string; readonly bucket: string }> {
    return { bucket: await s3.bucket(name), url: await postgres.newRegistry() }
  }
  const reasons = (events: readonly GarbageEvent[]): unknown =>
    events.map((event) => (event.kind === 'suspended' ? event.reason : event.kind))
  const objectsOf = (bucket: string): Promise<string[]> => s3.names(bucket, 'blobs/')

  test('a restore while all were stopped: said, and what is gone is named', async () => {
    const { url, bucket } = await place('restored')
    const first = open(url, bucket, 'first')
    await first.watch.look(0)
    const gone = await first.push(Buffer.from('pushed before the dump, removed after it'))
    const kept = await first.push(Buffer.from('pushed before the dump'))
    const copy = await copyOf(url)
    await first.push(Buffer.from('pushed after the dump'))
    await first.metadata.unlinkBlob({ repository, digest: gone, now: Date.now() })
    assert.deepEqual(reasons(await first.collect()), ['item', 'freed'])
    await sleep(20)
    assert.deepEqual(reasons(await first.collect()), ['item', 'freed'])
    assert.equal((await objectsOf(bucket)).length, 2)

    const again = open(copy, bucket, 'again')
    const events = await again.collect(2000)
    assert.deepEqual(reasons(events), ['commits-lost', 'lost-blob'])
    assert.deepEqual(events.flatMap((event) => (event.kind === 'lost-blob' ? [event] : [])), [
      { kind: 'lost-blob', digest: gone, repositories: [repository] },
    ]) // prettier-ignore
    const { lost } = await again.metadata.marks.standing()
    assert.deepEqual(lost?.missing, { count: 1, digests: [gone] })
    // Named once, said by every process as long as it lasts.
    assert.deepEqual(reasons(await open(copy, bucket, 'other').collect(2000)), ['commits-lost'])
    await again.metadata.unlinkBlob({ repository, digest: kept, now: Date.now() })
    assert.deepEqual(reasons(await again.collect(2000)), ['commits-lost'])
    assert.equal((await objectsOf(bucket)).length, 2)
    while (Date.now() < (lost?.at ?? 0) + 2000) await sleep(50)
    const later = await again.collect(2000)
    assert.equal(later.at(-1)?.kind, 'freed')
    assert.ok(later.some((event) => event.kind === 'item' && event.item.subject === kept))
  })

  test('commits after the newest mark are missed by who has answered them: said once by every process', async () => {
    const { url, bucket } = await place('answered')
    const said: string[] = []
    const log = { ...quiet, error: (message: string) => void said.push(message) }
    const [first, second] = [open(url, bucket, 'one', log), open(url, bucket, 'two', log)]
    await first.push(Buffer.from('there before the marks'))
    for (const { watch } of [first, second]) assert.equal(await watch.look(3_600_000), undefined)
    await first.push(Buffer.from('lost with all that came after the marks'))
    await first.metadata.listTags(repository, { limit: 1 })
    // What a failover takes away, and an epoch that is not there on the server that takes over.
    await queryAt(url, `delete from change_log where xid = (select max(xid) from change_log)`)
    await queryAt(url, 'delete from epoch')
    await first.metadata.listTags(repository, { limit: 1 })
    await eventually(async () => assert.ok((await second.metadata.marks.standing()).lost), 10_000)
    for (const { watch } of [first, second, first, second])
      assert.equal((await watch.look(3_600_000))?.reason, 'commits-lost')
    assert.deepEqual(
      said.map((message) => message.split(':')[0]),
      ['the database has lost commits', 'the database has lost commits'],
    )
    assert.deepEqual(reasons(await second.collect()), ['commits-lost'])
  })

  test('a process that lives through it notices without the bucket', async () => {
    const { url, bucket } = await place('living')
    const living = open(url, bucket, 'living')
    await living.watch.look(0)
    const copy = await copyOf(url)
    await living.watch.look(0)
    const server = await postgres.server
    await cut(url)
    await server.query('postgres', `drop database ${nameOf(url)}`)
    await server.query('postgres', `alter database ${nameOf(copy)} rename to ${nameOf(url)}`)
    const notes = s3.objects(bucket)
    for (const name of await s3.names(bucket, 'databases/')) await notes.remove(`databases/${name}`)
    assert.equal((await living.watch.look(1000))?.reason, 'commits-lost')
    assert.equal(living.watch.standing.others.length, 0)
    const at = living.watch.standing.lost?.at
    await living.watch.look(1000)
    assert.equal(living.watch.standing.lost?.at, at, 'it is noticed once')
  })

  test('two databases that answer for one bucket name each other, and delete nothing', async () => {
    const { url, bucket } = await place('twice')
    const production = open(url, bucket, 'production')
    await production.watch.look(0)
    const loose = await production.push(Buffer.from('loose'))
    const copy = await copyOf(url)
    const staging = open(copy, bucket, 'staging')
    for (let round = 0; round < 4; round++) {
      await staging.watch.look(0)
      await production.watch.look(0)
    }
    for (const [one, other] of [[production, 'staging'], [staging, 'production']] as const) {
      await one.metadata.unlinkBlob({ repository, digest: loose, now: Date.now() })
      const [event] = await one.collect()
      assert.ok(event?.kind === 'suspended' && event.reason === 'two-databases', JSON.stringify(event))
      assert.deepEqual([...new Set(event.writers)], [other])
      const fresh = open(one === production ? url : copy, bucket, one === production ? 'production' : 'staging')
      assert.deepEqual(reasons(await fresh.collect()), ['two-databases'])
    } // prettier-ignore
    assert.equal((await objectsOf(bucket)).length, 1)
    assert.equal(production.watch.standing.lost, undefined, 'who kept its commits has lost none')
  })

  test('processes of one database never take each other for another', async () => {
    const { url, bucket } = await place('many')
    const processes = ['a', 'b', 'c', 'd'].map((name) => open(url, bucket, name))
    await Promise.all(
      processes.map(async ({ watch }) => {
        for (let round = 0; round < 25; round++) assert.equal(await watch.look(3_600_000), undefined)
      }),
    )
    const notes = await s3.names(bucket, 'databases/')
    assert.equal(notes.filter((name) => /^[0-9a-f-]{36}$/.test(name)).length, 1)
  })

  test('what the last look has found ends a collection that is under way', async () => {
    const { url, bucket } = await place('midway')
    const one = open(url, bucket, 'one')
    const copy = await copyOf(url)
    for (let count = 0; count < 3; count++) {
      const digest = await one.push(Buffer.from(randomUUID()))
      await one.metadata.unlinkBlob({ repository, digest, now: Date.now() })
    }
    const other = open(copy, bucket, 'other')
    const collecting = one.collect.bind(one)
    assert.deepEqual(reasons(await collecting()), ['item', 'item', 'item', 'freed'])
    for (let round = 0; round < 3; round++) {
      await other.watch.look(0)
      await one.watch.look(0)
    }
    assert.throws(() => one.watch.check(1000), /nothing is deleted any more: two-databases/)
    assert.deepEqual(reasons(await collecting()), ['two-databases'])
    assert.equal((await objectsOf(bucket)).length, 3)
  })
})

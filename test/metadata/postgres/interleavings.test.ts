import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { attemptChanges } from '../../../src/metadata/postgres/attempt.ts'
import { isConflict } from '../../../src/metadata/postgres/connection-errors.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { prepareDatabase } from '../../../src/metadata/postgres/prepare-database.ts'
import { Overtaken, type Change } from '../../../src/metadata/rules/change.ts'
import { changes, type ChangeArguments, type ChangeName } from '../../../src/metadata/rules/changes.ts'
import { defaultOutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { parseTag } from '../../../src/oci/tag.ts'
import { missing } from '../../requirements.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { digestOf, manifestOf } from '../metadata-store-contract.ts'
import { StoppingConnection } from './stopping-connection.ts'

/**
 * Every pair of changes below runs on a real PostgreSQL with one of them stopped before each of its
 * statements in turn, while the other runs as far as it can. Whatever came out must be whole.
 */
interface Step {
  readonly name: ChangeName
  readonly values: unknown
}

const step = <Name extends ChangeName>(name: Name, values: ChangeArguments<Name>): Step => ({ name, values })
const [a, b] = [parseRepositoryName('a'), parseRepositoryName('b')]
const blob = digestOf('blob')
const layer = { digest: blob, size: 4, kind: 'layer', required: true } as const
const sweep = { before: 1000, now: 1000, limit: 100, dryRun: false } as const
const bytes = { kind: 'inline', bytes: Buffer.from('blob') } as const

const putBlob = (repository = a, now = 1): Step =>
  step('putBlob', { repository, digest: blob, size: 4, content: bytes, uploadId: undefined, now })
const image = (text: string, tags: readonly string[] = [], repository = a): Step =>
  step('putManifest', manifestOf(repository, text, { references: [layer], tags: tags.map(parseTag), now: 2 }))
const index = (text: string, child: string): Step =>
  step(
    'putManifest',
    manifestOf(a, text, {
      references: [{ digest: digestOf(child), size: child.length, kind: 'manifest', required: true }],
      now: 3,
    }),
  )
const unlinkBlob = (repository = a): Step => step('unlinkBlob', { repository, digest: blob, now: 5 })
const deleteManifest = (text: string): Step =>
  step('deleteManifest', { repository: a, digest: digestOf(text), now: 6 })
const sparse = step(
  'putManifest',
  manifestOf(a, 'sparse', { references: [layer], allowMissing: true, now: 2 }),
)
const mount = step('mountBlob', { digest: blob, to: b, from: [a], now: 3 })
const upload = step('createUpload', { id: 'u', repository: a, algorithm: 'sha256', now: 4 })
const lost = step('dropBlob', { digest: blob, content: bytes, now: 7 })
const rotation = (id: string): Step => {
  const ages = { rotateAfter: 3_600_000, forgetAfter: 3_600_000 }
  return step('rotateSigningKey', { key: { id, privateKey: 'key', createdAt: 1 }, ...ages })
}
const marked = [putBlob(), unlinkBlob(), step('markBlobs', sweep)]

interface Pair {
  readonly before: readonly Step[]
  readonly one: Step
  readonly other: Step
}

const pairs: Readonly<Record<string, Pair>> = {
  'a manifest beside the end of the grace period': {
    before: [putBlob()],
    one: image('m'),
    other: step('unlinkUnreferenced', sweep),
  },
  'a manifest beside the removal of its layer': { before: [putBlob()], one: image('m'), other: unlinkBlob() },
  'a manifest beside the loss of its layer': { before: [putBlob()], one: image('m'), other: lost },
  'a push beside the marking of the blob': {
    before: [putBlob(), unlinkBlob()],
    one: putBlob(b),
    other: step('markBlobs', sweep),
  },
  'a push beside the deletion of the blob': {
    before: marked,
    one: putBlob(b),
    other: step('deleteMarked', { ...sweep, before: 2000 }),
  },
  'a mount beside the removal at its source': { before: [putBlob()], one: mount, other: unlinkBlob() },
  'a mount beside the loss of the blob': { before: [putBlob()], one: mount, other: lost },
  'two removals of the last two links': {
    before: [putBlob(a), putBlob(b)],
    one: unlinkBlob(a),
    other: unlinkBlob(b),
  },
  'a HEAD beside the end of the grace period': {
    before: [putBlob()],
    one: step('touchBlob', { repository: a, digest: blob, now: 2000 }),
    other: step('unlinkUnreferenced', sweep),
  },
  'a sparse manifest beside the push of its layer': {
    before: [putBlob(b), upload],
    one: sparse,
    other: putBlob(a),
  },
  'an upload beside the end of its repository': {
    before: [putBlob(), unlinkBlob()],
    one: upload,
    other: step('dropEmptyRepositories', sweep),
  },
  'a blob beside the end of its repository': {
    before: [putBlob(), unlinkBlob()],
    one: putBlob(),
    other: step('dropEmptyRepositories', sweep),
  },
  'an index beside the deletion of its child': {
    before: [putBlob(), image('child')],
    one: index('index', 'child'),
    other: deleteManifest('child'),
  },
  'two images that move one tag': {
    before: [putBlob(), image('zero', ['t'])],
    one: image('one', ['t']),
    other: image('two', ['t']),
  },
  'a tag beside the deletion of its manifest': {
    before: [putBlob(), image('m', ['old'])],
    one: image('m', ['new']),
    other: deleteManifest('m'),
  },
  'two deletions of images with one layer': {
    before: [putBlob(), image('one'), image('two')],
    one: deleteManifest('one'),
    other: deleteManifest('two'),
  },
  'two rotations of the signing keys': { before: [], one: rotation('one'), other: rotation('other') },
  'two pushes of the same new blob': { before: [], one: putBlob(a), other: putBlob(a, 2) },
}

/** Each statement returns rows for what must never be. */
const wholeness: Readonly<Record<string, string>> = {
  'a manifest whose content is gone': `select 1 from manifest_reference r join manifest m on m.id = r.manifest_id
    where m.digest <> '${digestOf('sparse')}' and r.required = 1
    and not exists (select 1 from blob join repository_blob l on l.blob_id = blob.id where blob.digest = r.child and l.repository_id = r.repository_id)
    and not exists (select 1 from manifest c where c.repository_id = r.repository_id and c.digest = r.child)
    and exists (select 1 from blob_loss where not happened)`,
  'a link without its blob': 'select 1 from repository_blob where not exists (select 1 from blob where id = blob_id)',
  'a link without its repository': 'select 1 from repository_blob where not exists (select 1 from repository where id = repository_id and vacated_at is null)',
  'an upload without its repository': 'select 1 from upload where not exists (select 1 from repository where id = repository_id and vacated_at is null)',
  'a blob without its bytes': 'select 1 from blob where data_key is null and not exists (select 1 from blob_body where blob_id = id)',
  'a blob that nobody links and nothing will collect': 'select 1 from blob where unlinked_since is null and not exists (select 1 from repository_blob where blob_id = id)',
  'a linked blob that is marked for deletion': `select 1 from blob where state = 'condemned' and exists (select 1 from repository_blob where blob_id = id)`,
  'a link that a manifest needs and that runs out': `select 1 from repository_blob l join blob on blob.id = l.blob_id
    where l.unreferenced_since is not null and exists (select 1 from manifest_reference r where r.repository_id = l.repository_id and r.child = blob.digest)`,
  'a link that nothing needs and that never runs out': `select 1 from repository_blob l join blob on blob.id = l.blob_id
    where l.unreferenced_since is null and not exists (select 1 from manifest_reference r where r.repository_id = l.repository_id and r.child = blob.digest)`,
  'a tag without its manifest': 'select 1 from tag where not exists (select 1 from manifest where id = manifest_id)',
  'a manifest without a tag that never runs out': 'select 1 from manifest where untagged_since is null and not exists (select 1 from tag where manifest_id = manifest.id)',
  'a second signing key of one day': 'select 1 from signing_key having count(*) > 1',
  'a reference of no manifest': 'select 1 from manifest_reference r where not exists (select 1 from manifest where id = r.manifest_id)',
} // prettier-ignore

const skip = missing('initdb', 'postgres')

suite('pairs of changes on PostgreSQL, stopped at every statement', { skip }, () => {
  let server: PostgresServer
  let url: string
  let connections: readonly Connection[]
  let observer: Connection

  before(async () => {
    server = await PostgresServer.start(['deadlock_timeout=50ms', 'fsync=off'])
    url = await server.newDatabase()
    connections = [await open(), await open()]
    observer = await open()
    await prepareDatabase(observer, { id: randomUUID() })
    await observer.run('create table blob_loss (happened boolean)')
    await observer.run('insert into blob_loss values (false)')
  })
  after(async () => {
    for (const connection of [...connections, observer]) connection.close()
    await server.stop()
  })

  const open = (): Promise<Connection> => Connection.open({ connectionString: url })

  async function run(connection: Connection, { name, values }: Step): Promise<void> {
    const change = changes[name] as unknown as Change<unknown, unknown>
    for (;;) {
      try {
        await attemptChanges(connection, [{ change, values }], defaultOutboxBound)
        return
      } catch (error) {
        if (!isConflict(error) && !(error instanceof Overtaken)) throw error
      }
    }
  }

  /** One of them waits for a lock of the other, or none of them can. */
  async function isWaiting(): Promise<boolean> {
    const { rows } = await observer.run(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows.length > 0
  }

  /** Returns what is not whole, for each statement at which `one` was stopped. */
  async function broken({ before: earlier, one, other }: Pair, locks: boolean): Promise<readonly string[]> {
    const [first, second] = connections as [Connection, Connection]
    const found: string[] = []
    for (let stopAt = 0; ; stopAt++) {
      await observer.run(
        'truncate repository, manifest, manifest_body, manifest_reference, tag, past_manifest, past_tag, blob, blob_body, repository_blob, upload, pending_delete, signing_key restart identity',
      )
      for (const each of earlier) await run(second, each)
      const stopping = new StoppingConnection(first, locks, stopAt)
      const running = run(stopping as unknown as Connection, one)
      const end = running.then(() => 'ended' as const)
      if ((await Promise.race([stopping.stopped.promise, end])) === 'ended') return found
      const free = new StoppingConnection(second, locks, -1)
      let isDone = false
      const beside = run(free as unknown as Connection, other).finally(() => (isDone = true))
      while (!isDone && !(await isWaiting())) await sleep(1)
      stopping.go.resolve()
      await Promise.all([running, beside])
      await observer.run('update blob_loss set happened = $1', [other === lost || one === lost])
      for (const [what, text] of Object.entries(wholeness)) {
        const { rows } = await observer.run(text)
        if (rows.length > 0) found.push(`${what}, stopped at statement ${stopAt}`)
      }
      // Without locks, the first is enough.
      if (!locks && found.length > 0) return found
    }
  }

  for (const [name, pair] of Object.entries(pairs)) {
    test(name, async () => {
      assert.deepEqual(await broken(pair, true), [])
      assert.deepEqual(await broken({ ...pair, one: pair.other, other: pair.one }, true), [])
    })
  }

  test('without the locks, some are found that are not whole', async () => {
    const found: string[] = []
    for (const [name, pair] of Object.entries(pairs)) {
      const turned = { ...pair, one: pair.other, other: pair.one }
      const isBroken = (await broken(pair, false)).length > 0 || (await broken(turned, false)).length > 0
      if (isBroken) found.push(name)
    }
    assert.ok(found.length >= 10, found.join('\n'))
    assert.ok(found.includes('two rotations of the signing keys'))
  })
})

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DataKey } from '../../../src/blobs/blob-store.ts'
import type { Lease } from '../../../src/metadata/garbage-store.ts'
import { isLeaseLost } from '../../../src/metadata/lease-lost.ts'
import { attemptChanges } from '../../../src/metadata/postgres/attempt.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { prepareDatabase } from '../../../src/metadata/postgres/prepare-database.ts'
import type { Change } from '../../../src/metadata/rules/change.ts'
import { changes, type ChangeArguments, type ChangeName } from '../../../src/metadata/rules/changes.ts'
import { defaultOutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { missing } from '../../requirements.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { digestOf, manifestOf } from '../metadata-store-contract.ts'
import { StoppingConnection } from './stopping-connection.ts'

/**
 * A collector is stopped before each statement of each of its steps in turn. Meanwhile its lease runs out, another
 * collector takes it, and the first one goes on. What it did not do before that, it must not do at all.
 */
interface Step {
  readonly name: ChangeName
  readonly values: (lease: Lease | undefined) => unknown
}

const step = <Name extends ChangeName>(
  name: Name,
  values: (lease: Lease | undefined) => ChangeArguments<Name>,
): Step => ({ name, values })
const a = parseRepositoryName('a')
const blob = digestOf('blob')
const content = { kind: 'inline', bytes: Buffer.from('blob') } as const
const key = 'a'.repeat(32) as DataKey
const [mine, others] = [
  { name: 'garbage', holder: 'mine' },
  { name: 'garbage', holder: 'others' },
]
const sweep = { before: 1000, now: 1000, limit: 100, dryRun: false }
const swept = (name: 'expireUploads' | 'unlinkUnreferenced' | 'markBlobs' | 'forgetHistory'): Step =>
  step(name, (lease) => ({ ...sweep, lease }))
const held = (lease: Lease | undefined): { readonly lease?: Lease } => (lease === undefined ? {} : { lease })

const upload = step('createUpload', () => ({ id: 'u', repository: a, algorithm: 'sha256', now: 4 }))
const put = step('putBlob', () => ({
  repository: a,
  digest: blob,
  size: 4,
  content,
  uploadId: undefined,
  now: 1,
}))
const unlink = step('unlinkBlob', () => ({ repository: a, digest: blob, now: 5 }))
const image = step('putManifest', () => manifestOf(a, 'm', { now: 2 }))
const removed = step('deleteManifest', () => ({ repository: a, digest: digestOf('m'), now: 6 }))
const orphans = step('pendOrphans', (lease) => ({ keys: [key], ...held(lease) }))

const cases: Readonly<Record<string, { readonly earlier: readonly Step[]; readonly late: Step }>> = {
  'the end of an upload': { earlier: [upload], late: swept('expireUploads') },
  'the end of a manifest without a tag': {
    earlier: [image],
    late: step('expireUntagged', (lease) => ({ ...sweep, repository: a, lease })),
  },
  'the end of a link': { earlier: [put], late: swept('unlinkUnreferenced') },
  'the marking of a blob': { earlier: [put, unlink], late: swept('markBlobs') },
  'the deletion of a blob': {
    earlier: [put, unlink, swept('markBlobs')],
    late: step('deleteMarked', (lease) => ({ ...sweep, before: 2000, lease })),
  },
  'the end of a history': { earlier: [image, removed], late: swept('forgetHistory') },
  'the end of a repository': {
    earlier: [put, unlink],
    late: step('dropEmptyRepositories', (lease) => ({ ...sweep, lease })),
  },
  'an orphan': { earlier: [], late: orphans },
  'bytes that are said to be gone': {
    earlier: [orphans],
    late: step('forgetPendingDeletes', (lease) => ({ keys: [key], ...held(lease) })),
  },
  'a note': { earlier: [], late: step('noteGarbage', (lease) => ({ notes: { seenAt: 9 }, ...held(lease) })) },
}

/** What steps change, as one text. */
const contents = `select string_agg(line, ' ') as text from (
  select 'upload ' || id as line from upload
  union all select 'manifest ' || digest from manifest
  union all select 'past ' || digest from past_manifest
  union all select 'repository ' || name || coalesce(vacated_at, 0) from repository
  union all select 'link ' || blob_id from repository_blob
  union all select 'blob ' || digest || state from blob
  union all select 'pending ' || data_key from pending_delete
  union all select 'setting ' || name || value from setting
  order by line) as lines`

const skip = missing('initdb', 'postgres')

suite('a collector that is stopped, and loses its lease, on PostgreSQL', { skip }, () => {
  let server: PostgresServer
  let connections: readonly [Connection, Connection]
  let observer: Connection

  before(async () => {
    server = await PostgresServer.start(['fsync=off'])
    const url = await server.newDatabase()
    const open = (): Promise<Connection> => Connection.open({ connectionString: url })
    connections = [await open(), await open()]
    observer = await open()
    await prepareDatabase(observer, { id: randomUUID() })
  })
  after(async () => {
    for (const connection of [...connections, observer]) connection.close()
    await server.stop()
  })

  async function run(connection: Connection, { name, values }: Step, lease?: Lease): Promise<unknown> {
    const change = changes[name] as unknown as Change<unknown, unknown>
    const done = await attemptChanges(connection, [{ change, values: values(lease) }], defaultOutboxBound)
    return done.results[0]
  }

  const acquire = (connection: Connection, lease: Lease, ttl: number): Promise<unknown> =>
    run(connection, step('acquireLease', () => ({ ...lease, ttl, now: 0 }))) // prettier-ignore

  const look = async (): Promise<unknown> => (await observer.run(contents)).rows[0]

  async function isWaiting(): Promise<boolean> {
    const { rows } = await observer.run(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows.length > 0
  }

  /** Returns the statements at which a collector was stopped that then changed what was another's. */
  async function broken(
    { earlier, late }: (typeof cases)[string],
    lease: Lease | undefined,
  ): Promise<readonly number[]> {
    const [first, second] = connections
    const found: number[] = []
    for (let stopAt = 0; ; stopAt++) {
      await observer.run(
        'truncate repository, manifest, manifest_body, manifest_reference, tag, past_manifest, past_tag, blob, blob_body, repository_blob, upload, pending_delete, lease, setting restart identity',
      )
      for (const each of earlier) await run(second, each)
      await acquire(first, mine, 1)
      await sleep(3)
      const stopping = new StoppingConnection(first, true, stopAt)
      const running = run(stopping as unknown as Connection, late, lease).catch((error: unknown) => {
        assert.ok(isLeaseLost(error), String(error))
      })
      const end = running.then(() => 'ended' as const)
      if ((await Promise.race([stopping.stopped.promise, end])) === 'ended') {
        assert.ok(stopAt > 0)
        return found
      }
      let isTaken = false
      const taking = acquire(second, others, 60_000).then((taken) => {
        assert.equal(taken, true)
        isTaken = true
      })
      while (!isTaken && !(await isWaiting())) await sleep(1)
      const atTaking = isTaken ? await look() : undefined
      stopping.go.resolve()
      await Promise.all([running, taking])
      if (atTaking !== undefined && JSON.stringify(await look()) !== JSON.stringify(atTaking))
        found.push(stopAt)
    }
  }

  for (const [name, one] of Object.entries(cases)) {
    test(name, async () => {
      assert.deepEqual(await broken(one, mine), [])
      assert.notDeepEqual(
        await broken(one, undefined),
        [],
        'it does harm where it does not look at its lease',
      )
    })
  }
})

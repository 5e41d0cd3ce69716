import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { TouchedKeys, type Change, type Transaction } from '../../../src/metadata/rules/change.ts'
import { defaultOutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import { none } from '../../../src/metadata/rules/locks.ts'
import { changes } from '../../../src/metadata/rules/changes.ts'
import { migrate } from '../../../src/metadata/sqlite/migrations.ts'
import { SqliteDatabase } from '../../../src/metadata/sqlite/sqlite-database.ts'
import { parseRepositoryName, type RepositoryName } from '../../../src/oci/repository-name.ts'
import { digestOf, manifestOf } from '../metadata-store-contract.ts'

/**
 * A bounded model check of pushes, mounts, HEADs, deletions and collections: every interleaving of the actors
 * below runs, change by change, on a real SQLite database. After each run, all content that was acknowledged
 * must be complete.
 */
const [a, b] = [parseRepositoryName('a'), parseRepositoryName('b')]
const blob = digestOf('the blob')
const grace = 100

type Changes = { [Name in keyof typeof changes]: Change<never, unknown> }

interface World {
  readonly database: SqliteDatabase
  readonly changes: Changes
  now: number
  key: number
  /** Repositories in which a manifest that refers to the blob was acknowledged and not deleted. */
  readonly promised: Set<RepositoryName>
  /** Bytes that were removed. */
  readonly gone: Set<string>
}

/**
 * One actor's steps. Each step runs as a whole; steps of other actors may run in between. A step that returns
 * false ends the actor.
 */
type Actor = readonly ((world: World) => Promise<boolean>)[]

async function change<Result>(world: World, name: keyof Changes, values: object): Promise<Result> {
  const { database } = world
  const transaction: Transaction = {
    get: (statement, given) => database.get(statement, given),
    all: (statement, given) => database.all(statement, given),
    run: (statement, given) => database.run(statement, given),
    getEach: (statement, list) => list.map((given) => database.get(statement, given)),
    runEach: (statement, list) => list.map((given) => database.run(statement, given)),
    send: (statement, given) => void database.run(statement, given),
    rows: { few: 8, most: 500 },
    touched: new TouchedKeys(),
    claimed: { has: () => false },
    bound: defaultOutboxBound,
    newManifestId: () => undefined,
    policyGeneration: () => undefined,
    holds: () => true,
    clock: (own) => own,
    turn: () => {},
  }
  database.execute('begin')
  const result = await world.changes[name].run(transaction, values as never)
  database.execute('commit')
  world.now += 1
  return result as Result
}

const upload = async (world: World): Promise<boolean> => {
  const content = { kind: 'stored', key: String(world.key++) }
  await change(world, 'putBlob', {
    repository: a,
    digest: blob,
    size: 1,
    content,
    uploadId: undefined,
    now: world.now,
  })
  return true
}

const head =
  (repository: RepositoryName) =>
  (world: World): Promise<boolean> =>
    change(world, 'touchBlob', { repository, digest: blob, now: world.now })

const mount = (world: World): Promise<boolean> =>
  change(world, 'mountBlob', { digest: blob, to: b, from: undefined, now: world.now })

const tagImage =
  (repository: RepositoryName, text: string) =>
  async (world: World): Promise<boolean> => {
    const references = [{ digest: blob, size: 1, kind: 'layer', required: true } as const]
    const manifest = manifestOf(repository, text, { references, now: world.now })
    const { kind } = await change<{ kind: string }>(world, 'putManifest', manifest)
    if (kind === 'stored') world.promised.add(repository)
    return kind === 'stored'
  }

const deleteImage =
  (repository: RepositoryName, text: string) =>
  async (world: World): Promise<boolean> => {
    const values = { repository, digest: digestOf(text), now: world.now }
    const { kind } = await change<{ kind: string }>(world, 'deleteManifest', values)
    if (kind === 'removed') world.promised.delete(repository)
    return true
  }

const unlink = async (world: World): Promise<boolean> => {
  await change(world, 'unlinkBlob', { repository: a, digest: blob, now: world.now })
  return true
}

/**
 * Time passes while the collector works: each sweep begins after the grace period of everything that exists
 * has passed.
 */
const sweep =
  (name: 'unlinkUnreferenced' | 'markBlobs' | 'deleteMarked', age: number) =>
  async (world: World): Promise<boolean> => {
    world.now += age
    await change(world, name, { before: world.now - age, now: world.now, limit: 10, dryRun: false })
    return true
  }

const removeBytes = async (world: World): Promise<boolean> => {
  const rows = world.database.all<{ data_key: string }>(
    { sql: 'select data_key from pending_delete', values: [] },
    {},
  )
  for (const { data_key: key } of rows) world.gone.add(key)
  await change(world, 'forgetPendingDeletes', { keys: rows.map(({ data_key: key }) => key) })
  return true
}

const collector: Actor = [
  sweep('unlinkUnreferenced', grace),
  sweep('markBlobs', 1),
  sweep('deleteMarked', 1),
  removeBytes,
]

interface Scenario {
  /** From the start, an image in the target repository refers to the blob; it is not deleted. */
  readonly imageStays?: boolean
  readonly actors: readonly Actor[]
}

const scenarios = {
  'push beside a collection': { actors: [[upload, tagImage(a, 'one')], collector] },
  'two pushes beside a collection': {
    actors: [[upload, tagImage(a, 'one')], [head(a), tagImage(a, 'two')], collector],
  },
  'mount beside a deletion and a collection': { actors: [[mount, tagImage(b, 'two')], [unlink], collector] },
  'push beside the deletion of the last image': {
    imageStays: true,
    actors: [[upload, tagImage(a, 'two')], [deleteImage(a, 'zero')], collector],
  },
  'HEAD and a late manifest beside two collections': {
    actors: [[head(a), tagImage(a, 'one')], collector, collector],
  },
} satisfies Record<string, Scenario>

function newWorld(broken: Partial<Changes> = {}): World {
  const database = new SqliteDatabase(':memory:')
  migrate(database, ':memory:')
  return {
    database,
    changes: { ...(changes as unknown as Changes), ...broken },
    now: 1000,
    key: 1,
    promised: new Set(),
    gone: new Set(),
  }
}

/** Every order of the actors' steps, as lists of actor numbers. */
function* interleavings(lengths: readonly number[]): Generator<number[]> {
  if (lengths.every((length) => length === 0)) yield []
  for (const [actor, length] of lengths.entries()) {
    if (length === 0) continue
    const rest = lengths.map((each, index) => (index === actor ? each - 1 : each))
    for (const order of interleavings(rest)) yield [actor, ...order]
  }
}

async function explore(
  { actors, imageStays = false }: Scenario,
  broken?: Partial<Changes>,
): Promise<{ runs: number; broken: string[] }> {
  const found: string[] = []
  let runs = 0
  for (const order of interleavings(actors.map((actor) => actor.length))) {
    const world = newWorld(broken)
    await upload(world)
    await tagImage(a, 'zero')(world)
    if (!imageStays) await deleteImage(a, 'zero')(world)
    world.now += grace / 2
    const positions = actors.map(() => 0)
    for (const actor of order) {
      const position = positions[actor] ?? 0
      const step = actors[actor]?.[position]
      if (step !== undefined) positions[actor] = (await step(world)) ? position + 1 : Infinity
    }
    const problem = check(world)
    if (problem !== undefined) found.push(`${order.join('')}: ${problem}`)
    world.database.close()
    runs++
  }
  return { runs, broken: found }
}

/** Content that was acknowledged and not deleted is complete: the blob's link, row and bytes exist. */
function check(world: World): string | undefined {
  for (const repository of world.promised) {
    const row = world.database.get<{ data_key: string }>(
      {
        sql: `select blob.data_key from blob join repository_blob on blob_id = blob.id
              join repository on repository.id = repository_id where blob.digest = ? and repository.name = ?`,
        values: [blob, repository],
      },
      {},
    )
    if (row === undefined) return `${repository} has lost the blob`
    if (world.gone.has(row.data_key)) return `${repository} has lost the bytes ${row.data_key}`
  }
  return undefined
}

suite('every interleaving keeps what was acknowledged', () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(name, async () => {
      const { runs, broken } = await explore(scenario)
      assert.deepEqual(broken, [])
      assert.ok(runs >= 15, `only ${runs} interleavings`)
    })
  }

  const push = scenarios['push beside a collection']
  const late = scenarios['HEAD and a late manifest beside two collections']

  test('a manifest that does not look at what it needs is found out', async () => {
    const careless: Change<never, unknown> = {
      durable: true,
      locks: none,
      run: (transaction, values) =>
        changes.putManifest.run(transaction, { ...(values as object), allowMissing: true } as never),
    }
    const { broken } = await explore(late, { putManifest: careless })
    assert.notDeepEqual(broken, [])
  })

  test('a push that does not rescue what is condemned is found out', async () => {
    const careless: Change<never, unknown> = {
      durable: true,
      locks: none,
      async run(transaction, values) {
        await changes.putBlob.run(transaction, values)
        const rows = await transaction.all<{ id: number }>({ sql: 'select id from blob', values: [] }, {})
        for (const { id } of rows) {
          await transaction.run(
            {
              sql: `update blob set state = 'condemned', condemned_at = 0, unlinked_since = 0 where id = ${id}`,
              values: [],
            },
            {},
          )
        }
      },
    }
    const unguarded: Change<never, unknown> = {
      durable: true,
      locks: none,
      async run(transaction) {
        const rows = await transaction.all<{ id: number; data_key: string }>(
          { sql: `select id, data_key from blob where state = 'condemned'`, values: [] },
          {},
        )
        for (const { id, data_key: key } of rows) {
          await transaction.run({ sql: `delete from blob where id = ${id}`, values: [] }, {})
          await transaction.run(
            { sql: 'insert or ignore into pending_delete (data_key) values (?)', values: [key] },
            {},
          )
        }
        return { items: [], next: undefined }
      },
    }
    assert.notDeepEqual((await explore(push, { putBlob: careless, deleteMarked: unguarded })).broken, [])
    // Deletion checks for links again, so this second guard makes up for the missing first one.
    assert.deepEqual((await explore(push, { putBlob: careless })).broken, [])
  })
})

import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { LockSet } from '../../../src/metadata/postgres/advisory-locks.ts'
import { ChangeQueue } from '../../../src/metadata/postgres/change-queue.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { changesRepository, usesRepository, type LockKey } from '../../../src/metadata/rules/locks.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { missing } from '../../requirements.ts'
import { manifestOf } from '../metadata-store-contract.ts'
import { openStore, TestPostgres } from './open-postgres.ts'

const [a, b] = ['a', 'b'].map(parseRepositoryName) as [never, never]

suite('changes that wait for a transaction', () => {
  interface Named {
    readonly name: string
    readonly keys: readonly LockKey[]
  }
  function open(...changes: readonly (readonly [string, ...LockKey[]])[]) {
    const queue = new ChangeQueue<Named>()
    for (const [name, ...keys] of changes) queue.push({ name, keys })
    return queue
  }
  const named = (changes: readonly Named[]): string => changes.map(({ name }) => name).join(' ')

  test('one that would wait for a transaction that runs is held back, and others pass it', () => {
    const queue = open(['a1', changesRepository(a)], ['a2', changesRepository(a)])
    const first = queue.take(1)
    queue.push({ name: 'b1', keys: [changesRepository(b)] })
    queue.push({ name: 'free', keys: [] })
    queue.push({ name: 'a3', keys: [usesRepository(a)] })
    const second = queue.take(16)
    assert.deepEqual([named(first), named(second), named(queue.take(16))], ['a1', 'b1 free', ''])
    queue.end(second)
    assert.equal(named(queue.take(16)), '')
    queue.end(first)
    assert.equal(named(queue.take(16)), 'a2 a3')
    assert.ok(queue.isEmpty)
  })

  test('what shares a lock runs side by side, and does not pass what waits for it alone', () => {
    const queue = open(['uses1', usesRepository(a)])
    const first = queue.take(16)
    queue.push({ name: 'uses2', keys: [usesRepository(a)] })
    const second = queue.take(16)
    queue.push({ name: 'alone', keys: [changesRepository(a)] })
    queue.push({ name: 'uses3', keys: [usesRepository(a)] })
    assert.deepEqual([named(first), named(second), named(queue.take(16))], ['uses1', 'uses2', ''])
    queue.end(first)
    assert.equal(named(queue.take(16)), '', 'the second still shares it')
    queue.end(second)
    assert.equal(named(queue.take(1)), 'alone')
    assert.equal(named(queue.take(16)), '')
  })

  const postgres = new TestPostgres()

  async function opened(t: TestContext, url: string): Promise<Connection> {
    const connection = await Connection.open({ connectionString: url })
    t.after(() => connection.close())
    return connection
  }

  test(
    'pushes that wait for a lock occupy one connection, so that pushes into other repositories go on',
    { skip: missing('initdb', 'postgres'), timeout: 20_000 },
    async (t) => {
      const url = await postgres.newRegistry()
      const store = openStore(url)
      t.after(() => store.close())
      const other = await opened(t, url)
      await other.run('begin')
      await new LockSet([changesRepository(a)]).take(other, '0'.repeat(32))
      const waiting = [1, 2, 3].map(async (number) => {
        // Each is in a turn of its own, in which a connection would be free for it.
        await new Promise((resolve) => setTimeout(resolve, number * 50))
        await store.putManifest(manifestOf(a, `${number}`, { now: 1 }))
      })
      await new Promise((resolve) => setTimeout(resolve, 300))
      const passed = await Promise.race([
        store.putManifest(manifestOf(b, 'passes', { now: 1 })),
        new Promise((resolve) => setTimeout(() => resolve('waits'), 10_000)),
      ])
      await other.run('commit')
      assert.deepEqual(passed, { kind: 'stored' })
      await Promise.all(waiting)
    },
  )
})

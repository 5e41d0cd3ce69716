import assert from 'node:assert/strict'
import { after, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { attemptChanges } from '../../../src/metadata/postgres/attempt.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import type { MetadataStore } from '../../../src/metadata/metadata-store.ts'
import { isPolicyChanged, type SharedPolicies } from '../../../src/metadata/policy-generation.ts'
import type { Change } from '../../../src/metadata/rules/change.ts'
import { requireGeneration } from '../../../src/metadata/rules/change-policy.ts'
import { judged } from '../../../src/metadata/rules/locks.ts'
import { defaultOutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import { missing } from '../../requirements.ts'
import { openStore, TestPostgres } from './open-postgres.ts'

type Proposed = Parameters<SharedPolicies['bring']>[0]

const most = { documents: 3, characters: 1000 }
const one = { kind: 'TrowPolicy', name: 'one' } as const

suite('policies that processes share on PostgreSQL', { skip: missing('initdb', 'postgres') }, () => {
  const postgres = new TestPostgres()
  const stores: MetadataStore[] = []
  after(() => Promise.all(stores.map((store) => store.close())))

  async function open(): Promise<{
    readonly url: string
    readonly a: SharedPolicies
    readonly b: SharedPolicies
    readonly store: MetadataStore
  }> {
    const url = await postgres.newRegistry()
    const [first, second] = [openStore(url), openStore(url)]
    stores.push(first, second)
    assert.ok(first.policy.kind === 'shared' && second.policy.kind === 'shared')
    return { url, a: first.policy, b: second.policy, store: first }
  }

  const set = (identity: string, more: Partial<Proposed> = {}): Proposed => ({
    identity,
    last: undefined,
    isWhole: true,
    silence: 15_000,
    auditRecords: [],
    now: 1,
    ...more,
  })

  test('have one generation wherever they are equal, and another one when they change', async () => {
    const { a, b } = await open()
    assert.equal((await a.look()).newest, undefined)
    const both = await Promise.all([a.bring(set('x')), b.bring(set('x'))])
    assert.deepEqual(both, [
      { generation: 1, newest: 1 },
      { generation: 1, newest: 1 },
    ])
    assert.deepEqual(await a.bring(set('y', { last: 1 })), { generation: 2, newest: 2 })
    assert.deepEqual(await b.bring(set('y', { last: 1 })), { generation: 2, newest: 2 })
    const { newest, now } = await b.look()
    assert.deepEqual([newest?.generation, newest?.identity], [2, 'y'])
    assert.ok(Math.abs(now - Date.now()) < 60_000)
    assert.deepEqual(await b.bring(set('x', { last: 2 })), { generation: 3, newest: 3 }, 'back to what was')
  })

  test('are not set back by a process that is behind, however it starts', async () => {
    const { a, b } = await open()
    await a.bring(set('old'))
    await a.bring(set('new', { last: 1 }))
    for (const behind of [set('old'), set('old', { last: 1 }), set('broken', { last: 1, isWhole: false })])
      assert.equal((await b.bring(behind)).newest, 2)
    assert.deepEqual(await b.bring(set('old')), { generation: 1, newest: 2 })
    assert.deepEqual(await b.bring(set('broken', { isWhole: false })), { generation: 0, newest: 2 })
    assert.deepEqual(
      await b.bring(set('newer', { last: 1 })),
      { generation: 3, newest: 3 },
      'nobody had it before',
    )
  })

  test('give way when nobody was heard to have them', async () => {
    const { url, a, b } = await open()
    await a.bring(set('old'))
    await a.bring(set('new', { last: 1 }))
    const connection = await Connection.open({ connectionString: url })
    const pass = (): Promise<unknown> =>
      connection.run(`update policy_in_force set heard_at = heard_at - interval '20 seconds'`)
    try {
      await pass()
      await a.hold(2)
      assert.equal((await b.bring(set('old'))).newest, 2, 'it was heard just now')
      await pass()
      await a.hold(1)
      assert.deepEqual(await b.bring(set('old')), { generation: 3, newest: 3 })
    } finally {
      connection.close()
    }
  })

  test('wait for the changes that older ones have judged, and refuse those that come later', async () => {
    const { url, a } = await open()
    await a.bring(set('x'))
    const connection = await Connection.open({ connectionString: url })
    const gate = Promise.withResolvers<void>()
    const checked = Promise.withResolvers<void>()
    const push: Change<number, void> = {
      durable: true,
      locks: (generation) => judged(generation),
      run: async (transaction, generation) => {
        await requireGeneration(transaction, generation)
        checked.resolve()
        await gate.promise
      },
    }
    const run = (values: number): Promise<unknown> =>
      attemptChanges(connection, [{ change: push as Change<unknown, unknown>, values }], defaultOutboxBound)
    try {
      const pushing = run(1)
      await checked.promise
      let isBrought = false
      const bringing = a.bring(set('y', { last: 1 })).then(() => (isBrought = true))
      await sleep(200)
      assert.equal(isBrought, false, 'the push is not committed yet')
      gate.resolve()
      await pushing
      await bringing
      await assert.rejects(run(1), isPolicyChanged)
      await run(2)
    } finally {
      connection.close()
    }
  })

  test('are on record once, with their generation, whoever brings them', async () => {
    const { a, b, store } = await open()
    const auditRecords = [{ auditRecord: '{"id":"1"}', change: { unit: 'p' } }]
    await Promise.all([a.bring(set('x', { auditRecords })), b.bring(set('x', { auditRecords }))])
    await b.bring(set('broken', { isWhole: false, auditRecords }))
    const entries = await store.outbox.read({ after: 0, limit: 10 })
    assert.deepEqual(
      entries.map(({ auditRecord, facts }) => ({ auditRecord, facts })),
      [{ auditRecord: '{"id":"1"}', facts: { change: { unit: 'p', generation: 1 } } }],
    )
  })

  test('as documents: each edit is made from what is there, and everybody sees it as another revision', async () => {
    const { a, b } = await open()
    const edit = (name: string, text: string | undefined, from?: string | null) =>
      ({
        ...one,
        name,
        content: text === undefined ? undefined : { document: JSON.stringify(text), hash: `hash of ${text}` },
        from,
        changedBy: 'a test',
        most,
      }) as const
    const { revision } = await a.look()
    const [first, second] = await Promise.all([
      a.writeDocument(edit('one', 'a', null)),
      b.writeDocument(edit('one', 'b', null)),
    ])
    assert.deepEqual([first.kind, second.kind].sort(), ['conflict', 'written'])
    const winner = first.kind === 'written' ? 'a' : 'b'
    assert.deepEqual(await b.findDocument(one), { document: `"${winner}"`, hash: `hash of ${winner}` })
    assert.equal((await b.look()).revision, revision + 1)
    const conflict = { kind: 'conflict', hash: `hash of ${winner}` }
    assert.deepEqual(await b.writeDocument(edit('one', 'c', 'hash of another')), conflict)
    assert.deepEqual(await b.writeDocument(edit('two', undefined)), { kind: 'unknown' })
    assert.deepEqual(await b.writeDocument(edit('two', 'd')), { kind: 'written' })
    const all = await a.documents(revision + 1)
    assert.deepEqual(
      all.map(({ name, version, changedBy, document }) => [name, version, changedBy, document]),
      [
        ['one', revision + 1, 'a test', undefined],
        ['two', revision + 2, 'a test', '"d"'],
      ],
    )
    assert.deepEqual(await a.writeDocument(edit('three', 'x'.repeat(1000))), { kind: 'full' })
    assert.deepEqual(await a.writeDocument(edit('three', 'e')), { kind: 'written' })
    assert.deepEqual(await a.writeDocument(edit('four', 'f')), { kind: 'full' })
    assert.deepEqual(await a.writeDocument(edit('three', 'g')), { kind: 'written' }, 'it is there already')
    assert.deepEqual(await a.writeDocument(edit('one', undefined, `hash of ${winner}`)), { kind: 'written' })
    assert.equal(await b.findDocument(one), undefined)
    assert.equal((await b.look()).revision, revision + 5)
  })
})

import assert from 'node:assert/strict'
import { after, before, suite, test, type TestContext } from 'node:test'
import type { GarbagePage } from '../../../src/metadata/garbage-store.ts'
import { attemptChanges } from '../../../src/metadata/postgres/attempt.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { expireUntagged } from '../../../src/metadata/rules/change-garbage.ts'
import { rowsAtOnce, type Change } from '../../../src/metadata/rules/change.ts'
import { defaultOutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import { parseRepositoryName } from '../../../src/oci/repository-name.ts'
import { missing } from '../../requirements.ts'
import { FlightCounter } from './flight-counter.ts'
import { TestPostgres } from './open-postgres.ts'
import { WorkCounter } from './work-counter.ts'

/** An index of 4 MiB, which is the largest that is accepted, lists no more. */
const children = 35_000
const signatures = 64_000
const loose = 1000
/** Of the collector. */
const limit = 200

const digest = (text: string, number = 'n'): string =>
  `'sha256:' || encode(sha256(convert_to('${text} ' || ${number}, 'UTF8')), 'hex')`
const columns = 'repository_id, digest, media_type, subject, size, pushed_at, untagged_since, first_seen'
const manifests = (repository: number, text: string, count: number, values: string): string =>
  `insert into manifest (${columns}) select ${repository}, ${digest(text)}, 'x', ${values}, 1 from generate_series(1, ${count}) n`
const references = (parent: string, child: string, count: number, kind: string): string =>
  `insert into manifest_reference select repository_id, ${digest(child)}, id, '${kind}', 1
   from manifest, generate_series(1, ${count}) n where digest = any(array(select ${digest(parent, 'k')} from generate_series(1, 10) k))`

const filling = [
  `insert into repository (id, name, created_at) overriding system value values (1, 'kept', 1), (2, 'wide', 1)`,
  // An index keeps some, and a subject others.
  manifests(1, 'index', 1, 'null, 9, 1, null'),
  manifests(1, 'subject', 1, 'null, 9, 1, null'),
  manifests(1, 'child', children, 'null, 9, 1, 2'),
  manifests(1, 'signature', signatures, `${digest('subject', '1')}, 9, 1, 3`),
  manifests(1, 'loose', loose, 'null, 9, 1, 4'),
  references('index', 'child', children, 'manifest'),
  references('loose', 'layer', 5, 'layer'),
  // What is large itself, and its time is over.
  manifests(2, 'large index', 1, 'null, 9, 1, 2'),
  manifests(2, 'large child', children, 'null, 9, 1, 30'),
  manifests(2, 'large image', 10, 'null, 9, 1, 3'),
  references('large index', 'large child', children, 'manifest'),
  references('large image', 'large layer', 2000, 'layer'),
  'analyze',
]

interface Step {
  readonly items: number
  readonly touched: number
  readonly longest: number
  readonly flights: number
  readonly time: number
}

const skip = missing('initdb', 'postgres')

suite('a collection of large repositories on PostgreSQL', { skip }, () => {
  const postgres = new TestPostgres()
  let connection: Connection

  before(async () => {
    connection = await Connection.open({ connectionString: await postgres.newRegistry() })
    for (const text of filling) await connection.run(text)
  })
  after(() => connection.close())

  /** All steps. Each is undone, and the next one goes on after it. */
  async function collect(name: string): Promise<readonly Step[]> {
    const change = expireUntagged as unknown as Change<unknown, unknown>
    const steps: Step[] = []
    for (let next: string | undefined; ;) {
      const began = performance.now()
      const work = new WorkCounter(connection)
      const counter = new FlightCounter(work as unknown as Connection)
      const step = {
        before: 10,
        now: 20,
        limit,
        dryRun: false,
        repository: parseRepositoryName(name),
        after: next,
      }
      const { results } = await attemptChanges(
        counter as unknown as Connection,
        [{ change, values: step }],
        defaultOutboxBound,
      )
      const page = results[0] as GarbagePage
      const { touched, longest } = work
      const { flights } = counter
      steps.push({ items: page.items.length, touched, longest, flights, time: performance.now() - began })
      if (page.next === undefined) return steps
      next = page.next
    }
  }

  function print(t: TestContext, name: string, steps: readonly Step[]): void {
    const largest = (of: (step: Step) => number): number => Math.round(Math.max(...steps.map(of)))
    t.diagnostic(
      `${name}: ${steps.length} steps, each at most ${largest(({ touched }) => touched)} rows at the server, ` +
        `${largest(({ longest }) => longest)} in an answer, ${largest(({ flights }) => flights)} flights, ${largest(({ time }) => time)} ms`,
    )
  }

  test('100,000 untagged manifests are looked at in steps that each touch a few', async (t) => {
    const steps = await collect('kept')
    print(t, '100,000 manifests', steps)
    assert.equal(
      steps.reduce((sum, { items }) => sum + items, 0),
      loose,
    )
    for (const { touched, longest, flights } of steps) {
      assert.ok(touched <= 10 * limit, `${touched} rows`)
      assert.ok(longest <= limit, `${longest} rows in an answer`)
      assert.ok(flights <= 8, `${flights} flights`)
    }
  })

  test('a step takes one large index, or a few large images, and the next goes on after it', async (t) => {
    const steps = await collect('wide')
    print(t, 'large manifests', steps)
    assert.deepEqual(
      steps.map(({ items }) => items),
      [1, 3, 3, 3, 1],
    )
    for (const { touched, longest, flights } of steps) {
      assert.ok(touched <= 6 * children, `${touched} rows`)
      assert.ok(longest <= 20 * rowsAtOnce, `${longest} rows in an answer`)
      assert.ok(flights <= 10, `${flights} flights`)
    }
  })
})

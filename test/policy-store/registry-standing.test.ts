import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { OciError } from '../../src/oci/oci-error.ts'
import { DatabaseSource } from '../../src/policy-store/database-source.ts'
import { DatabaseWriter } from '../../src/policy-store/database-writer.ts'
import type {
  DocumentOutcome,
  NewestPolicies,
  PolicyLook,
  ProposedPolicies,
  StoredDocument,
} from '../../src/policy-store/policy-database.ts'
import type { PolicyKeeper } from '../../src/policy-store/policy-keeper.ts'
import { PolicyPoll, type LookListener } from '../../src/policy-store/policy-poll.ts'
import type { SourceUnit } from '../../src/policy-store/policy-source.ts'
import type { RegistryProcesses } from '../../src/policy-store/registry-standing.ts'
import { KeeperFixture, policyText, SetClocks, until } from './fixture.ts'

/** A database of which the test says what it answers. */
class GivenRegistry implements RegistryProcesses {
  readonly proposed: ProposedPolicies[] = []
  readonly held: number[] = []
  refusal: ((set: ProposedPolicies) => Error | undefined) | undefined
  generation = 1
  newest = 1
  #listener: LookListener | undefined

  readonly database: RegistryProcesses['database'] = {
    bring: (set) => {
      const error = this.refusal?.(set)
      if (error !== undefined) return Promise.reject(error)
      this.proposed.push(set)
      return Promise.resolve({ generation: this.generation, newest: this.newest })
    },
    hold: (generation) => Promise.resolve(void this.held.push(generation)),
  }
  readonly poll: RegistryProcesses['poll'] = { listen: (listener) => (this.#listener = listener) }
  readonly auditRecords: RegistryProcesses['auditRecords'] = (changes) =>
    changes.map(({ object }) => ({ auditRecord: object, change: {} }))

  get identity(): string {
    return this.proposed.at(-1)?.identity ?? ''
  }

  look(newest: NewestPolicies): void {
    this.#listener?.looked({ now: 0, revision: 0, newest })
  }
}

/** Starts a keeper beside other processes. Resolves when its policy `a` is in force. */
async function started(
  fixture: KeeperFixture,
): Promise<{ readonly registry: GivenRegistry; readonly keeper: PolicyKeeper }> {
  const registry = new GivenRegistry()
  fixture.write('a.json', policyText('a'))
  const keeper = fixture.start(undefined, { registry })
  await until(() => keeper.status.ok)
  return { registry, keeper }
}

suite('a process among those that serve a registry', () => {
  test('takes another generation of the same policies, which its workers take for newer ones', async () => {
    await using fixture = new KeeperFixture()
    const registry = new GivenRegistry()
    registry.generation = registry.newest = 7
    fixture.write('a.json', policyText('a'))
    const keeper = fixture.start(undefined, { registry })
    await until(() => keeper.status.ok)
    assert.equal(keeper.status.generation, 7)
    registry.generation = registry.newest = 9
    registry.look({ generation: 9, identity: registry.identity, heard: 0 })
    await until(() => keeper.status.generation === 9)
    assert.deepEqual(
      fixture.published.map(({ generation, registryGeneration }) => [generation, registryGeneration]),
      [
        [1, 7],
        [2, 9],
      ],
    )
    assert.equal(registry.proposed.at(-1)?.last, 7)
  })

  test('says that it lives, and asks for its policies again when nobody has the newest', async () => {
    await using fixture = new KeeperFixture()
    const { registry, keeper } = await started(fixture)
    const { identity } = registry
    registry.look({ generation: 1, identity, heard: 4000 })
    assert.deepEqual(registry.held, [])
    registry.look({ generation: 1, identity, heard: 6000 })
    assert.deepEqual(registry.held, [1])
    registry.look({ generation: 2, identity: 'another', heard: 14_000 })
    assert.equal(keeper.status.ok, false)
    assert.match(keeper.status.notes.join(), /newer policies \(generation 2\)/)
    assert.equal(registry.proposed.length, 1, 'somebody has them')
    registry.generation = registry.newest = 3
    registry.look({ generation: 2, identity: 'another', heard: 16_000 })
    await until(() => keeper.status.generation === 3)
    assert.equal(keeper.status.ok, true)
  })

  test('is not misled by a look that began before its policies were brought', async () => {
    await using fixture = new KeeperFixture()
    const { registry, keeper } = await started(fixture)
    const { identity } = registry
    registry.generation = registry.newest = 2
    fixture.write('b.json', policyText('b'))
    await until(() => keeper.status.generation === 2)
    const late = { generation: 1, identity, heard: 0 }
    registry.look(late)
    assert.equal(keeper.status.ok, true)
    registry.look(late)
    assert.equal(keeper.status.ok, false, 'the next look is right: the database is an older one')
  })

  test('has its changes recorded with the policies, and later where the audit has no room', async () => {
    await using fixture = new KeeperFixture()
    const { registry, keeper } = await started(fixture)
    assert.deepEqual(registry.proposed[0]?.auditRecords, [{ auditRecord: 'TrowPolicy/a', change: {} }])
    assert.equal(fixture.changes.length, 0)
    registry.generation = registry.newest = 2
    registry.refusal = ({ auditRecords }) => (auditRecords.length > 0 ? new Error('no room') : undefined)
    fixture.write('b.json', policyText('b'))
    await until(() => keeper.status.generation === 2)
    await until(() => fixture.changes.length === 1)
    assert.equal(fixture.changes[0]?.object, 'TrowPolicy/b')
  })

  test('says whether it has all that its source says: a broken file makes nothing newest', async () => {
    await using fixture = new KeeperFixture()
    const { registry } = await started(fixture)
    fixture.write('b.json', '{')
    await until(() => registry.proposed.length === 2)
    assert.deepEqual(
      registry.proposed.map(({ isWhole }) => isWhole),
      [true, false],
    )
  })
})

suite('the policies in a database', () => {
  class GivenDatabase {
    clock = 0
    revision = 1
    away = false
    rows: StoredDocument[] = []
    readonly asked: number[] = []

    look(): Promise<PolicyLook> {
      if (this.away) return Promise.reject(new Error('no database'))
      return Promise.resolve({ now: this.clock, revision: this.revision, newest: undefined })
    }

    documents(after: number): Promise<readonly StoredDocument[]> {
      this.asked.push(after)
      return Promise.resolve(
        this.rows.map(({ document, ...row }) => ({
          ...row,
          document: row.version > after ? document : undefined,
        })),
      )
    }

    put(name: string, document: string): void {
      const row = {
        kind: 'TrowPolicy',
        name,
        version: ++this.revision,
        changedBy: 'x',
        changedAt: 1,
        document,
      } as const
      this.rows = [...this.rows.filter((each) => each.name !== name), row]
    }
  }

  test('are units: only what has changed is read, and what cannot be read is said', async () => {
    const database = new GivenDatabase()
    const poll = new PolicyPoll({ database, clocks: new SetClocks(0) })
    const source = new DatabaseSource({ database, poll })
    const states: (readonly SourceUnit[])[] = []
    const told: string[] = []
    source.watch({
      state: (units) => states.push(units),
      alive: () => told.push('alive'),
      away: (reason) => told.push(reason),
    })
    const look = async (): Promise<readonly SourceUnit[] | undefined> => {
      await poll.look()
      await new Promise(setImmediate)
      return states.at(-1)
    }
    database.put('a', policyText('a'))
    database.put('b', '{"kind":')
    const first = await look()
    assert.deepEqual(first?.map(({ name, problems }) => [name, problems.length > 0]), [
      ['trowpolicies/a', false],
      ['trowpolicies/b', true],
    ]) // prettier-ignore
    await look()
    assert.deepEqual([told, states.length], [['alive'], 1])
    database.put('b', policyText('b'))
    const second = await look()
    assert.deepEqual(database.asked, [0, 3])
    assert.equal(second?.[0], first?.[0], 'as it was read before')
    assert.deepEqual(second?.[1]?.problems, [])
    database.away = true
    await look()
    assert.equal(told.at(-1), 'no database')
    database.away = false
    database.rows = []
    database.revision++
    assert.deepEqual(await look(), [])
    await source.close()
    await poll.close()
  })

  test('are not edited where that cannot be, in words that say what to do', async () => {
    const outcomes: (DocumentOutcome | Error)[] = []
    const writer = new DatabaseWriter({
      database: {
        findDocument: () => Promise.reject(new OciError('UNAVAILABLE', 'the registry has no database now')),
        writeDocument: () => {
          const outcome = outcomes.shift() ?? { kind: 'written' }
          return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(outcome)
        },
      },
      changedBy: 'a test',
      onWritten: () => Promise.resolve(),
    })
    const edit = { kind: 'TrowPolicy', name: 'p', document: { spec: {} } } as const
    for (const [outcome, from, code, message] of [
      [{ kind: 'unknown' }, undefined, 'POLICY_UNKNOWN', /there is no TrowPolicy p/],
      [{ kind: 'full' }, undefined, 'POLICY_FULL', /one too many/],
      [{ kind: 'conflict', hash: null }, 'x', 'POLICY_CONFLICT', /is gone/],
      [{ kind: 'conflict', hash: 'y' }, null, 'POLICY_CONFLICT', /is there already/],
      [{ kind: 'conflict', hash: 'y' }, 'x', 'POLICY_CONFLICT', /was changed meanwhile/],
      [new OciError('UNAVAILABLE', 'away'), undefined, 'POLICY_AWAY', /does not answer/],
    ] as const) {
      outcomes.push(outcome)
      await assert.rejects(writer.write({ ...edit, from }), { name: 'UserError', code, message })
    }
    await assert.rejects(writer.read(edit), { code: 'POLICY_AWAY' })
    const { place, hash } = await writer.write(edit)
    assert.deepEqual([place, hash?.slice(0, 7)], ['trowpolicies/p', 'sha256:'])
  })

  test('end by the clock of the database, whatever that of the process says', async () => {
    const database = new GivenDatabase()
    const clocks = new SetClocks(5_000_000)
    const poll = new PolicyPoll({ database, clocks })
    database.clock = 1_000_000
    await poll.look()
    assert.equal(poll.clocks.wall(), 1_000_000)
    clocks.pass(1000)
    assert.equal(poll.clocks.wall(), 1_001_000)
    clocks.jump(-3_000_000)
    database.clock = 1_001_000
    await poll.look()
    assert.equal(poll.clocks.wall(), 1_001_000)
    await poll.close()
  })
})

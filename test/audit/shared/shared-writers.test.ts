import assert from 'node:assert/strict'
import { suite } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeAuditRecord } from '../../../src/audit/audit-record.ts'
import { LineSink } from '../../../src/audit/sink.ts'
import type { AuditChain, ChainExtension, Extended } from '../../../src/metadata/audit-chain.ts'
import { attemptChanges } from '../../../src/metadata/postgres/attempt.ts'
import { extendAuditChain } from '../../../src/metadata/postgres/change-audit.ts'
import type { Change } from '../../../src/metadata/rules/change.ts'
import { defaultOutboxBound } from '../../../src/metadata/rules/outbox-bound.ts'
import { Connection } from '../../../src/metadata/postgres/connection.ts'
import { missing } from '../../requirements.ts'
import { s3Programs } from '../../support/s3-server.ts'
import { eventually } from '../fixture.ts'
import { auditRecordOf } from '../records.ts'
import { idsOf, problemsOf, SharedAudit, type Replica } from './shared-fixture.ts'

const skip = missing('initdb', 'postgres', ...s3Programs)

const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${String(index).padStart(4, '0')}`)
const nobodyWaits = async ({ metadata: { outbox } }: Replica): Promise<boolean> =>
  (await outbox.size()).rows + (await outbox.denials.size()).rows === 0

suite('the audit log of several processes', { skip }, () => {
  const shared = new SharedAudit()

  shared.placed(
    'three write one chain, each record once, through segments, and each line goes to one sink',
    async (place) => {
      const replicas = [place.replica(), place.replica(), place.replica()] as const
      const lines: string[] = []
      const sink = (): LineSink => new LineSink('stdout', (text) => lines.push(...text.trimEnd().split('\n')))
      for (const replica of replicas) await replica.open({ segmentSize: 20_000, sinks: [sink()] })
      const all: string[] = []
      await Promise.all(
        replicas.map(async (replica, number) => {
          for (let round = 0; round < 20; round++) {
            const [changes, denials] = [names(`c${number}-${round}-`, 10), names(`d${number}-${round}-`, 5)]
            all.push(...changes, ...denials)
            await replica.record(...changes)
            await replica.deny(...denials)
            // A segment ends with the lines of one transaction, which may have hundreds.
            if (round % 4 === 3) await eventually(() => nobodyWaits(replica), 'the lines of these rounds')
          }
        }),
      )
      await eventually(() => nobodyWaits(replicas[0]), 'an empty outbox')
      for (const replica of replicas) assert.deepEqual((await idsOf(replica)).sort(), all.sort())
      await eventually(async () => (await place.objects()).length >= 3, 'segments in the bucket')
      assert.deepEqual(await problemsOf(replicas[1]), [])
      const printed = lines.map((line) => (JSON.parse(line) as { event: { id: string } }).event.id)
      assert.deepEqual(printed.filter((id) => /^[cd]\d-/.test(id)).sort(), all.sort())
      await place.end()
      const [left] = await place.sql(`select count(*) as count from audit_segment where state <> 'sealed'`)
      assert.equal(Number(left?.['count']), 0)
    },
  )

  shared.placed(
    'records that are committed after later ones are written after them, and not skipped',
    async (place) => {
      const replica = place.replica()
      const writer = await replica.open()
      const slow = await Connection.open({ connectionString: place.url })
      await slow.run('begin')
      await slow.run('insert into outbox (note, total) values ($1, 4)', [
        encodeAuditRecord(auditRecordOf('slow')),
      ])
      await replica.record('quick')
      writer.wake()
      await eventually(() => nobodyWaits(replica), 'the first record')
      await slow.run('commit')
      slow.close()
      await replica.record('later')
      writer.wake()
      await eventually(() => nobodyWaits(replica), 'the others')
      assert.deepEqual(await idsOf(replica), ['quick', 'slow', 'later'])
      assert.deepEqual(await problemsOf(replica), [])
    },
  )

  const steps = ['takeHead', 'oldest.changes', 'remove.changes', 'insertLines', 'moveHead', 'commit']
  for (const step of steps) {
    for (const end of ['goes on', 'dies'] as const) {
      shared.placed(
        `one stops before ${step}: another does not wait for it, and when it ${end} each record is there once`,
        async (place) => {
          const other = place.replica()
          const all = names('r', 7)
          await other.record(...all)
          const one = await StoppedWriter.start(place.url, step)
          await one.reached
          const holds = step !== 'takeHead'
          assert.equal((await extendOnce(other.chain)).outcome, holds ? 'taken' : 'extended')
          await (end === 'dies' ? one.die() : one.goOn())
          await eventually(async () => (await extendOnce(other.chain)).outcome === 'extended', 'the head')
          const rows = await other.chain.rows('changes', { after: 0, limit: 100 })
          assert.deepEqual(rows, all.map((id, index) => ({ seq: index + 1, line: `${index + 1} ${id}` }))) // prettier-ignore
          assert.equal(await other.chain.waits('changes'), false)
        },
      )
    }
  }

  shared.placed(
    'a process that ends writes its events, though another has the head at that moment',
    async (place) => {
      const one = place.replica()
      const writer = await one.open()
      const other = await Connection.open({ connectionString: place.url })
      await other.run('begin')
      await other.run(`select 1 from audit_head where log = 'pulls' for update`)
      writer.merged([{ key: 'k', auditRecord: pullOf('pulled'), count: 3, first: 1, last: 2, denied: false }])
      const closed = writer.close()
      await sleep(500)
      await other.run('commit')
      other.close()
      await closed
      assert.deepEqual(await idsOf(one), ['pulled'])
    },
  )

  for (const isCommitted of [true, false]) {
    shared.placed(
      `nobody told whether lines were committed, and they were${isCommitted ? '' : ' not'}: each is written and told once`,
      async (place) => {
        const one = place.replica({ chain: (own) => losing(own, isCommitted) })
        const lines: string[] = []
        const writer = await one.open({ sinks: [new LineSink('stdout', (text) => lines.push(text))] })
        await one.record('row')
        writer.merged([
          { key: 'k', auditRecord: pullOf('event'), count: 1, first: 1, last: 1, denied: false },
        ])
        await eventually(() => nobodyWaits(one), 'an empty outbox')
        await writer.close()
        assert.deepEqual((await idsOf(one)).sort(), ['event', 'row'])
        for (const id of ['event', 'row']) assert.equal(lines.join('').split(`"id":"${id}"`).length, 2, id)
        assert.deepEqual(await problemsOf(one), [])
      },
    )
  }
})

/** Loses the answer, or the transaction, of the second extension of each log that writes something. */
function losing(own: AuditChain, isCommitted: boolean): AuditChain {
  const calls = new Map<string, number>()
  const well = own.extend.bind(own)
  const extend = async (extension: ChainExtension): Promise<Extended> => {
    const call = (calls.get(extension.log) ?? 0) + 1
    calls.set(extension.log, call)
    if (call !== (extension.log === 'changes' ? 2 : 1)) return well(extension)
    if (isCommitted) await well(extension)
    else extension.make({ seq: 0, hash: '0'.repeat(64) }, [])
    throw new Error('nobody knows')
  }
  return Object.assign(own, { extend })
}

/** A process that stops before one of the statements of its transaction. */
class StoppedWriter {
  readonly reached: Promise<void>
  readonly #gate = Promise.withResolvers<void>()
  readonly #connection: Connection
  readonly #done: Promise<unknown>

  static async start(url: string, step: string): Promise<StoppedWriter> {
    return new StoppedWriter(await Connection.open({ connectionString: url }), step)
  }

  private constructor(connection: Connection, step: string) {
    this.#connection = connection
    const reached = Promise.withResolvers<void>()
    this.reached = reached.promise
    const stop = async (): Promise<void> => {
      reached.resolve()
      await this.#gate.promise
    }
    const [ask, run] = [connection.ask.bind(connection), connection.run.bind(connection)]
    connection.ask = async (statement, values) => {
      if (statement.postgres?.name === `postgres.audit.${step}`) await stop()
      return ask(statement, values)
    }
    connection.run = async (text, values, name) => {
      if (text === step) await stop()
      return run(text, values, name)
    }
    const change = extendAuditChain as Change<unknown, unknown>
    this.#done = attemptChanges(connection, [{ change, values: extension }], defaultOutboxBound)
    this.#done.catch(() => {})
  }

  async goOn(): Promise<void> {
    this.#gate.resolve()
    await this.#done
    this.#connection.close()
  }

  async die(): Promise<void> {
    this.#connection.close()
    this.#gate.resolve()
    await this.#done.catch(() => {})
  }
}

const pullOf = (id: string): string => encodeAuditRecord(auditRecordOf(id, { action: 'pull' }))

const extension: ChainExtension = {
  log: 'changes',
  limit: 10,
  segmentSize: 1e9,
  unsure: undefined,
  make: ({ seq }, rows) => ({
    lines: rows.map(
      ({ auditRecord = '' }, index) => `${seq + index + 1} ${(JSON.parse(auditRecord) as { id: string }).id}`,
    ),
    last: { seq: seq + rows.length, hash: 'hash' },
    signed: 'head',
  }),
}

const extendOnce = (chain: AuditChain): Promise<Extended> => chain.extend(extension)

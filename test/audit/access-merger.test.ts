import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import type { CountedAccess } from '../../src/audit/denial-ration.ts'
import { MinuteMerger, type MergedAccess } from '../../src/audit/minute-merger.ts'
import { AccessMerger } from '../../src/audit/access-merger.ts'
import { DenialTable } from '../../src/audit/denial-table.ts'
import { actor, auditRecordOf } from './records.ts'

const access: CountedAccess = {
  actor,
  address: '10.0.0.1',
  repository: 'team-a/app',
  reference: '1.0',
  action: 'pull',
  reason: 'rule 1',
  status: 200,
}

function openMerger(
  record: (auditRecords: readonly string[]) => Promise<void> = async () => {},
  denials = DenialTable.create(),
  limit = 100,
): {
  merger: AccessMerger
  reports: MergedAccess[]
  clock: { now: number }
} {
  const reports: MergedAccess[] = []
  const clock = { now: 1000 }
  const merger = new AccessMerger({
    report: (batch) => reports.push(...batch),
    record,
    denials,
    now: () => clock.now,
    interval: 20,
    limit,
  })
  return { merger, reports, clock }
}

suite('a worker counts equal accesses', () => {
  test('and reports them once an interval, with the first note', async () => {
    const { merger, reports, clock } = openMerger()
    let described = 0
    for (let i = 0; i < 5; i++) {
      clock.now = 1000 + i
      merger.allowed(access, () => auditRecordOf(`note ${++described}`, { action: 'pull' }))
    }
    assert.equal(reports.length, 0)
    await new Promise((resolve) => setTimeout(resolve, 60))
    assert.equal(described, 1)
    assert.equal(reports.length, 1)
    const [report] = reports
    assert.deepEqual([report?.count, report?.first, report?.last, report?.denied], [5, 1000, 1004, false])
    assert.equal((JSON.parse(report?.auditRecord ?? '') as { id: string }).id, 'note 1')
    merger.allowed(access, () => auditRecordOf('note 2'))
    merger.flush()
    assert.equal(reports.length, 2)
    assert.equal(reports[0]?.key, reports[1]?.key)
  })

  test('those that differ in anything are counted by themselves', () => {
    const { merger, reports } = openMerger()
    const others: CountedAccess[] = [
      access,
      { ...access, actor: { ...actor, name: 'alice' } },
      { ...access, address: '10.0.0.2' },
      { ...access, repository: 'team-b/app' },
      { ...access, reference: '2.0' },
      { ...access, reference: undefined },
      { ...access, action: 'list' },
      { ...access, reason: 'rule 2' },
      { ...access, status: 404 },
    ]
    for (let round = 0; round < 3; round++)
      for (const one of others) merger.allowed(one, () => auditRecordOf('x'))
    merger.flush()
    assert.equal(reports.length, others.length)
    assert.ok(reports.every(({ count }) => count === 3))
    assert.equal(new Set(reports.map(({ key }) => key)).size, others.length)
  })

  test('what it holds is bounded', () => {
    const { merger, reports } = openMerger()
    for (let i = 0; i < 1000; i++) merger.allowed({ ...access, reference: `${i}` }, () => auditRecordOf('x'))
    assert.equal(reports.length, 1000)
  })
})

suite('denials', () => {
  test('the first of a minute is recorded before it may be answered, the others wait for it and are counted', async () => {
    const recording = Promise.withResolvers<void>()
    let recorded = 0
    const { merger, reports, clock } = openMerger((auditRecords) => {
      recorded += auditRecords.length
      return recording.promise
    })
    const answered: number[] = []
    const denials = [1, 2, 3].map((n) =>
      merger.denied(access, () => auditRecordOf(`${n}`, { outcome: 'denied' })).then(() => answered.push(n)),
    )
    await new Promise(setImmediate)
    assert.deepEqual(answered, [])
    recording.resolve()
    await Promise.all(denials)
    assert.equal(recorded, 1)
    merger.flush()
    assert.deepEqual(reports.map(({ count, denied }) => [count, denied]), [[2, true]]) // prettier-ignore
    clock.now += 60_000
    await merger.denied(access, () => auditRecordOf('4', { outcome: 'denied' }))
    assert.equal(recorded, 2)
  })

  test('one that could not be recorded is refused, and the next one is recorded', async () => {
    let fail = true
    let recorded = 0
    const { merger } = openMerger(async () => {
      if (fail) throw new Error('no room')
      recorded++
    })
    await assert.rejects(
      merger.denied(access, () => auditRecordOf('1')),
      /no room/,
    )
    fail = false
    await merger.denied(access, () => auditRecordOf('2'))
    assert.equal(recorded, 1)
  })
})

suite('a flood of denials over several workers', () => {
  const workers = 4
  const denial = (each: number, more: Partial<CountedAccess> = {}): CountedAccess => ({
    ...access,
    actor: { ...actor, kind: 'unknown', name: '' },
    repository: `team-a/r${each}`,
    status: 401,
    ...more,
  })

  /** Opens as many mergers as there are workers, on one shared table. */
  function openWorkers(
    record: (auditRecords: readonly string[]) => Promise<void>,
  ): ReturnType<typeof openMerger>[] {
    const { buffer } = DenialTable.create()
    return Array.from({ length: workers }, () => openMerger(record, DenialTable.attach(buffer), 10_000))
  }
  async function flood(
    given: readonly ReturnType<typeof openMerger>[],
    denials: readonly CountedAccess[],
  ): Promise<void> {
    const ways = denials.flatMap((each, index) => {
      const merger = given[index % workers]?.merger
      return merger === undefined ? [] : [{ merger, each, index }]
    })
    await Promise.all(
      ways.map(({ merger, each, index }) =>
        merger.denied(each, () => auditRecordOf(`${index}`, { outcome: 'denied' })),
      ),
    )
    for (const { merger } of given) merger.flush()
  }
  const countedBy = (given: readonly ReturnType<typeof openMerger>[]): number =>
    given.flatMap(({ reports }) => reports).reduce((sum, { count }) => sum + count, 0)

  test('of one address 30 are lines of their own and one is for the rest, and every one is counted', async () => {
    let recorded = 0
    const given = openWorkers(async (auditRecords) => {
      await new Promise(setImmediate)
      recorded += auditRecords.length
    })
    await flood(
      given,
      Array.from({ length: 400 }, (_, each) => denial(each)),
    )
    assert.equal(recorded, 31)
    assert.equal(recorded + countedBy(given), 400)
    assert.equal(new Set(given.flatMap(({ reports }) => reports.map(({ key }) => key))).size, 1)
    // The next minute starts with new counts.
    for (const { clock } of given) clock.now += 60_000
    await flood(
      given,
      Array.from({ length: 400 }, (_, each) => denial(each)),
    )
    assert.equal(recorded, 62)
  })

  test('of all addresses 300 are lines of their own, 300 addresses have one more, and one is for all others', async () => {
    let recorded = 0
    const given = openWorkers(async (auditRecords) => void (recorded += auditRecords.length))
    const denials = Array.from({ length: 4000 }, (_, each) =>
      denial(each, { address: `10.0.${each >> 8}.${each & 255}` }),
    )
    await flood(given, denials)
    assert.equal(recorded, 601)
    assert.equal(recorded + countedBy(given), denials.length)
  })

  test('none is answered before the record that counts it is kept, whichever worker keeps it', async () => {
    const keeping = Promise.withResolvers<void>()
    let recorded = 0
    const given = openWorkers(async (auditRecords) => {
      recorded += auditRecords.length
      if (recorded > 30) await keeping.promise
    })
    await flood(
      given,
      Array.from({ length: 30 }, (_, each) => denial(each)),
    )
    let answered = 0
    const more = given.map(({ merger }, each) =>
      merger
        .denied(denial(100 + each), () => auditRecordOf('x', { outcome: 'denied' }))
        .then(() => answered++),
    )
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.deepEqual([recorded, answered], [31, 0])
    keeping.resolve()
    await Promise.all(more)
    assert.deepEqual([recorded, answered], [31, workers])
  })

  test('where it cannot be kept the reply says so, and the next one tries again', async () => {
    let fail = false
    let recorded = 0
    const given = openWorkers(async () => {
      if (fail) throw new Error('no room')
      recorded++
    })
    await flood(
      given,
      Array.from({ length: 30 }, (_, each) => denial(each)),
    )
    fail = true
    for (const { merger } of given) {
      await assert.rejects(
        merger.denied(denial(100), () => auditRecordOf('x', { outcome: 'denied' })),
        /no room/,
      )
    }
    fail = false
    await flood(
      given,
      Array.from({ length: workers }, (_, each) => denial(200 + each)),
    )
    assert.equal(recorded, 31)
  })

  test('whom the registry knows has a line of their own', async () => {
    let recorded = 0
    const given = openWorkers(async (auditRecords) => void (recorded += auditRecords.length))
    const known = ['alice', 'bob'].map((name) => ({ ...actor, kind: 'password', name }))
    await flood(given, Array.from({ length: 400 }, (_, each) => denial(each, { actor: known[each & 1] ?? actor }))) // prettier-ignore
    assert.equal(recorded, 32)
  })
})

suite('a minute of all workers', () => {
  const report = (key: string, count: number, at: number, denied = false): MergedAccess => ({
    key,
    auditRecord: key,
    count,
    first: at,
    last: at,
    denied,
  })

  test('the first is a line at once, the rest is one when the minute ends', () => {
    const merger = new MinuteMerger()
    assert.deepEqual(merger.add([report('a', 2, 10)], 100).map(({ merged, again }) => [merged.count, again]), [[2, false]]) // prettier-ignore
    assert.deepEqual(merger.add([report('a', 3, 20), report('a', 4, 30)], 200), [])
    assert.deepEqual(merger.expire(60_099), [])
    const [rest] = merger.expire(60_100)
    assert.deepEqual([rest?.merged, rest?.again], [{ count: 7, first: 20, last: 30 }, true])
    assert.deepEqual(merger.expire(Infinity), [])
  })

  test('denials that were counted come at the end: the first of them has a line of its own', () => {
    const merger = new MinuteMerger()
    assert.deepEqual(merger.add([report('a', 2, 10, true)], 100), [])
    assert.deepEqual(merger.expire(Infinity).map(({ merged, denied }) => [merged.count, denied]), [[2, true]]) // prettier-ignore
  })

  test('no count is lost, whatever comes when, and however little it may hold', () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), count: fc.integer({ min: 1, max: 9 }), wait: fc.nat(50_000), denied: fc.boolean() }) // prettier-ignore
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const merger = new MinuteMerger({ limit: 3 })
        let now = 0
        let given = 0
        let written = 0
        for (const { key, count, wait, denied } of steps) {
          now += wait
          given += count
          const lines = merger.add([report(`${key}${denied}`, count, now, denied)], now)
          for (const { merged } of lines) written += merged.count
        }
        for (const { merged } of merger.expire(Infinity)) written += merged.count
        assert.equal(written, given)
      }),
    )
  })
})

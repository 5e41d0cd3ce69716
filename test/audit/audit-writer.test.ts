import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import type { MergedAccess } from '../../src/audit/minute-merger.ts'
import { eachLog, type LogName } from '../../src/audit/chain.ts'
import { encodeAuditRecord } from '../../src/audit/audit-record.ts'
import { queryAudit } from '../../src/audit/query.ts'
import { SegmentFolder } from '../../src/audit/stores/folder/segment-folder.ts'
import { newSigningKey } from '../../src/audit/signed-note.ts'
import { LineSink } from '../../src/audit/sink.ts'
import { FolderStore } from '../../src/audit/stores/folder/folder-store.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag } from '../../src/oci/tag.ts'
import { manifestOf } from '../metadata/metadata-store-contract.ts'
import { eventually, openFixture, type AuditFixture } from './fixture.ts'
import { auditRecordOf } from './records.ts'

/**
 * A folder that cannot be written while `broken` is set. With a log's name, only new segments of that log
 * fail.
 */
class BrokenFolder extends SegmentFolder {
  broken = false
  readonly #log: LogName | undefined

  constructor(path: string, log?: LogName) {
    super(path)
    this.#log = log
  }

  override create(name: string): Promise<FileHandle> {
    if (this.broken && this.#log !== undefined && name.startsWith(this.#log))
      return Promise.reject(new Error('ENOSPC: no space left on device'))
    return super.create(name)
  }

  override async flush(handle: FileHandle): Promise<void> {
    if (this.broken && this.#log === undefined) throw new Error('ENOSPC: no space left on device')
    return super.flush(handle)
  }
}

suite('the writer of the audit log', () => {
  let fixture: AuditFixture
  beforeEach(() => (fixture = openFixture()))
  afterEach(() => fixture.close())

  const record = (...ids: string[]): Promise<void> =>
    fixture.metadata.outbox.record(
      ids.map((id) => encodeAuditRecord(auditRecordOf(id))),
      1,
    )
  const deny = (...ids: string[]): Promise<void> =>
    fixture.metadata.outbox.denials.record(
      ids.map((id) => encodeAuditRecord(auditRecordOf(id, { outcome: 'denied' }))),
      1,
    )
  /** Ids of one log's lines, except those in sealed segments. */
  const idsIn = (log: LogName): string[] =>
    readdirSync(fixture.auditFolder)
      .filter((name) => name.startsWith(log) && name.endsWith('.jsonl'))
      .flatMap((name) => readFileSync(join(fixture.auditFolder, name), 'utf8').split('\n'))
      .flatMap((line) => /"event":\{"specversion":"1.0","id":"([^"]+)"/.exec(line)?.slice(1) ?? [])
  const ids = async (): Promise<string[]> => (await fixture.events()).map(({ id }) => id)
  const pull = (id: string, count: number, at: number): MergedAccess => ({
    key: 'a pull',
    auditRecord: encodeAuditRecord(auditRecordOf(id, { action: 'pull' })),
    count,
    first: at,
    last: at,
    denied: false,
  })

  test('writes changes with what they did, and denials, in the order in which they were made', async () => {
    const writer = await fixture.open()
    const repository = parseRepositoryName('team-a/app')
    const push = manifestOf(repository, 'm', {
      tags: [parseTag('1.0')],
      now: 1,
      auditRecord: encodeAuditRecord(auditRecordOf('push')),
    })
    await fixture.metadata.putManifest(push)
    await deny('denial')
    writer.wake()
    await eventually(async () => (await ids()).length === 2, 'two events')
    const [first, second] = await fixture.events()
    assert.deepEqual([first?.type, second?.type], ['io.trow.push.allowed.v1', 'io.trow.push.denied.v1'])
    assert.equal(first?.data['digest'], push.digest)
    assert.deepEqual(first?.data['tags'], [{ name: '1.0', before: null }])
    await eventually(async () => (await fixture.metadata.outbox.size()).rows === 0, 'an empty outbox')
    await writer.close()
    assert.deepEqual(await fixture.problems(), [])
    assert.equal((await fixture.systemEvents())[0]?.type, 'io.trow.audit.started.v1')
    assert.deepEqual(idsIn('denials'), ['denial'])
    assert.ok(idsIn('changes').includes('push') && !idsIn('changes').includes('denial'))
  })

  test('events of all logs are found in the order of their times, the newest of all', async () => {
    const writer = await fixture.open()
    const time = (n: number): number => fixture.clock.now + n * 1000
    for (let n = 1; n <= 9; n += 3) {
      await fixture.metadata.outbox.denials.record(
        [encodeAuditRecord(auditRecordOf(`e${n}`, { time: time(n), outcome: 'denied' }))],
        1,
      )
      const read = auditRecordOf(`e${n + 1}`, { time: time(n + 1), action: 'pull' })
      writer.merged([
        { ...pull(`e${n + 1}`, 1, time(n + 1)), key: `${n}`, auditRecord: encodeAuditRecord(read) },
      ])
      await fixture.metadata.outbox.record(
        [encodeAuditRecord(auditRecordOf(`e${n + 2}`, { time: time(n + 2) }))],
        1,
      )
    }
    await writer.close()
    const newest = await Array.fromAsync(queryAudit(new FolderStore(fixture.auditFolder), {}, 5))
    assert.deepEqual(newest.map(({ id }) => id), ['e5', 'e6', 'e7', 'e8', 'e9']) // prettier-ignore
    assert.deepEqual(
      await ids(),
      Array.from({ length: 9 }, (_, n) => `e${n + 1}`),
    )
  })

  test('what workers counted of denials is in the log of denials', async () => {
    const writer = await fixture.open()
    const counted = { ...pull('counted', 3, fixture.clock.now), denied: true }
    writer.merged([
      { ...counted, auditRecord: encodeAuditRecord(auditRecordOf('counted', { outcome: 'denied' })) },
    ])
    await writer.close()
    assert.deepEqual([idsIn('denials').length, idsIn('pulls')], [1, []])
    assert.deepEqual((await fixture.events()).map(({ data }) => data['count']), [3]) // prettier-ignore
    assert.deepEqual(await fixture.problems(), [])
  })

  test('denials of an older trow stay where they are, are found, and are not written twice', async () => {
    const { outbox } = fixture.metadata
    const auditRecord = encodeAuditRecord(auditRecordOf('old', { outcome: 'denied' }))
    // As an older trow wrote it and was killed before it deleted the row.
    await outbox.record([auditRecord], 1)
    const forgetful = {
      read: outbox.read.bind(outbox),
      size: outbox.size.bind(outbox),
      forget: async () => {},
    }
    await (await fixture.open({ outbox: forgetful })).close()
    await deny('new')
    await (await fixture.open()).close()
    assert.deepEqual(await ids(), ['old', 'new'])
    assert.deepEqual(idsIn('denials'), ['new'])
    assert.deepEqual(await fixture.problems(), [])
  })

  test('denials that a crash left between the log and the outbox are written once', async () => {
    const { denials } = fixture.metadata.outbox
    const forgetful = {
      read: denials.read.bind(denials),
      size: denials.size.bind(denials),
      forget: async () => {},
    }
    await deny('a', 'b')
    await (await fixture.open({ denials: forgetful })).close()
    assert.equal((await denials.size()).rows, 2)
    // Rows of changes have the same ids as rows of denials.
    await record('one', 'two')
    await (await fixture.open()).close()
    assert.deepEqual([idsIn('denials'), (await denials.size()).rows], [['a', 'b'], 0])
    assert.deepEqual((await ids()).sort(), ['a', 'b', 'one', 'two'])
  })

  test('a log of denials that cannot be written holds up no change', async () => {
    const folder = new BrokenFolder(fixture.auditFolder, 'denials')
    const writer = await fixture.open({ store: new FolderStore(folder) })
    folder.broken = true
    await deny('denial')
    await record('change')
    await eventually(async () => (await ids()).includes('change'), 'the change')
    // A row goes after its line is there, and the logs are written at once.
    await eventually(async () => (await fixture.metadata.outbox.size()).rows === 0, 'no row of a change')
    await eventually(() => /ENOSPC/.test(writer.health.problem ?? ''), 'the problem')
    assert.equal((await fixture.metadata.outbox.denials.size()).rows, 1)
    folder.broken = false
    await eventually(async () => (await ids()).includes('denial'), 'the denial')
    await writer.close()
    const gaps = (await fixture.systemEvents()).filter(({ type }) => type === 'io.trow.audit.gap.v1')
    assert.deepEqual(gaps.map(({ data }) => [data['log'], data['count']]), [['denials', 0]]) // prettier-ignore
    assert.deepEqual(await fixture.problems(), [])
  })

  test('rows that nobody announced are found by itself', async () => {
    const writer = await fixture.open()
    await record('silent')
    await eventually(async () => (await ids()).includes('silent'), 'the event')
    await writer.close()
  })

  test('rows that a crash left between the log and the outbox are written once', async () => {
    const outbox = fixture.metadata.outbox
    const forgetful = {
      ...outbox,
      read: outbox.read.bind(outbox),
      size: outbox.size.bind(outbox),
      forget: async () => {},
    }
    const names = Array.from({ length: 1200 }, (_, i) => `row ${i}`)
    await record(...names)
    await (await fixture.open({ outbox: forgetful })).close()
    assert.equal((await outbox.size()).rows, 1200)
    await record('new')
    await (await fixture.open()).close()
    assert.deepEqual(await ids(), [...names, 'new'])
    assert.equal((await outbox.size()).rows, 0)
    assert.deepEqual(await fixture.problems(), [])
  })

  test('rows whose numbers are those of older lines are not taken for them: a restored database', async () => {
    await record('a', 'b', 'c')
    await (await fixture.open()).close()
    const restored = openFixture()
    await restored.metadata.outbox.record(
      ['d', 'e'].map((id) => encodeAuditRecord(auditRecordOf(id))),
      1,
    )
    const { outbox } = restored.metadata
    await (await fixture.open({ outbox, heads: outbox })).close()
    assert.deepEqual(await ids(), ['a', 'b', 'c', 'd', 'e'])
    await restored.close()
  })

  test('allowed accesses are written within a second, equal ones of a minute as one', async () => {
    const lines: string[] = []
    const writer = await fixture.open({ sinks: [new LineSink('stdout', (text) => lines.push(text))] })
    const at = (ms: number): number => fixture.clock.now + ms
    writer.merged([pull('first', 1, at(10))])
    await eventually(async () => (await ids()).length === 1, 'the first')
    writer.merged([pull('second', 3, at(20))])
    writer.merged([pull('third', 4, at(30))])
    fixture.clock.now += 59_000
    await new Promise((resolve) => setTimeout(resolve, 300))
    assert.equal((await ids()).length, 1)
    fixture.clock.now += 1001
    await eventually(async () => (await ids()).length === 2, 'the others')
    const [first, others] = await fixture.events()
    assert.equal(first?.data['count'], undefined)
    assert.deepEqual([others?.data['count'], others?.data['firstTime']], [7, '2026-11-24T07:00:00.020Z'])
    assert.notEqual(others?.id, first?.id)
    writer.merged([pull('last', 5, at(40))])
    writer.merged([pull('last', 6, at(50))])
    await writer.close()
    const counts = (await fixture.events()).map(({ data }) => Number(data['count'] ?? 1))
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      1 + 7 + 5 + 6,
    )
    assert.ok(lines.join('').includes('"id":"first"'))
    assert.deepEqual(await fixture.problems(), [])
  })

  test('what is cut from the end while nobody writes is found, stays visible, and is put on record', async () => {
    await record('a', 'b', 'c')
    await (await fixture.open()).close()
    const [file] = readdirSync(fixture.auditFolder)
    const path = join(fixture.auditFolder, file ?? '')
    const whole = readFileSync(path, 'utf8').split('\n')
    writeFileSync(path, `${whole.slice(0, -3).join('\n')}\n`)
    assert.deepEqual((await fixture.problems()).map(({ problem, seq, upTo }) => [problem, seq, upTo]), [['cut', 3, 4]]) // prettier-ignore
    await record('d')
    await (await fixture.open()).close()
    assert.deepEqual(await ids(), ['a', 'd'])
    assert.deepEqual((await fixture.problems()).map(({ problem, seq, upTo }) => [problem, seq, upTo]), [['removed', 3, 4]]) // prettier-ignore
    const gap = (await fixture.systemEvents()).find(({ type }) => type === 'io.trow.audit.gap.v1')
    assert.deepEqual([gap?.data['count'], gap?.data['missing']], [2, { from: 3, to: 4 }])
  })

  test('a key that is another, or a log that is gone, is found at the start', async () => {
    await record('a')
    await (await fixture.open()).close()
    rmSync(fixture.auditFolder, { recursive: true })
    await (await fixture.open()).close()
    const problems = (await fixture.problems()).map(({ problem, seq, upTo }) => [problem, seq, upTo])
    assert.deepEqual(problems, [['removed', 1, 2]])
    const other = openFixture()
    await other.metadata.outbox.saveKey(newSigningKey())
    await other.metadata.outbox.saveHead('changes', (await fixture.metadata.outbox.head('changes')) ?? '')
    await (await other.open()).close()
    const [gap] = (await other.systemEvents()).filter(({ type }) => type === 'io.trow.audit.gap.v1')
    assert.match(String(gap?.data['reason']), /not signed by the key/)
    await other.close()
  })

  test('while the log cannot be written, rows wait, pulls are kept up to a bound, and the gap is put on record', async () => {
    const folder = new BrokenFolder(fixture.auditFolder)
    const writer = await fixture.open({ store: new FolderStore(folder) })
    folder.broken = true
    await record('during')
    for (let i = 0; i < 25_000; i++) writer.merged([{ ...pull(`p${i}`, 1, i), key: `${i}` }])
    await eventually(() => /ENOSPC/.test(writer.health.problem ?? ''), 'trouble')
    assert.equal(writer.health.lost, 5000)
    assert.equal((await fixture.metadata.outbox.size()).rows, 1)
    fixture.clock.now += 5000
    folder.broken = false
    await eventually(() => writer.health.ok && writer.health.waiting === 0, 'recovery')
    await record('after')
    await writer.close()
    const seen = await ids()
    assert.equal(seen.filter((id) => id.startsWith('p')).length, 20_000)
    assert.ok(seen.includes('during') && seen.includes('after'))
    const gaps = (await fixture.systemEvents()).filter(({ type }) => type === 'io.trow.audit.gap.v1')
    const told = gaps.map(({ data }) => [data['log'], data['count'], data['lastTime']])
    const end = new Date(fixture.clock.now).toISOString()
    assert.deepEqual(told.sort(([a], [b]) => String(a).localeCompare(String(b))), [['changes', 0, end], ['pulls', 5000, end]]) // prettier-ignore
    assert.deepEqual(await fixture.problems(), [])
  })

  test('a row that holds no note does not hold up the others', async () => {
    await fixture.metadata.outbox.record(['nonsense'], 1)
    await record('next')
    await (await fixture.open()).close()
    assert.deepEqual(await ids(), ['next'])
    const gap = (await fixture.systemEvents()).find(({ type }) => type === 'io.trow.audit.gap.v1')
    assert.match(String(gap?.data['reason']), /cannot be read/)
  })

  test('retention of each class by itself leaves a log that is verified', async () => {
    const day = 86_400_000
    const retention = eachLog((log) => ({ age: (log === 'pulls' ? 3 : 400) * day, bytes: 1e9 }))
    const writer = await fixture.open({ retention, segmentSize: 2000 })
    for (let i = 0; i < 8; i++) {
      writer.merged([
        {
          ...pull(`p${i}`, 1, fixture.clock.now),
          key: `${i}`,
          auditRecord: encodeAuditRecord(auditRecordOf(`p${i}`, { time: fixture.clock.now })),
        },
      ])
      await record(`c${i}`)
      await eventually(async () => (await ids()).includes(`p${i}`), 'the event')
      fixture.clock.now += day
    }
    await eventually(async () => !(await ids()).includes('p0'), 'retention')
    await writer.close()
    const seen = await ids()
    assert.ok(
      !seen.includes('p1') && seen.includes('p6') && seen.includes('c0') && seen.includes('c7'),
      String(seen),
    )
    assert.deepEqual(await fixture.problems(), [])
    const pruned = (await fixture.systemEvents()).filter(({ type }) => type === 'io.trow.audit.pruned.v1')
    assert.ok(pruned.length > 0)
  })
})

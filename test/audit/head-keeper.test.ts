import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { verifierOf, type HeadWitness, type WitnessedHeads } from '../../src/audit/log-head.ts'
import { encodeAuditRecord } from '../../src/audit/audit-record.ts'
import { verifyLog, type VerifyEvent } from '../../src/audit/verify.ts'
import { FolderStore } from '../../src/audit/stores/folder/folder-store.ts'
import { eventually, openFixture, type AuditFixture } from './fixture.ts'
import { auditRecordOf } from './records.ts'

/** A witness in memory that can be made unreachable. */
class Memory implements HeadWitness {
  readonly name = 'a memory'
  data: WitnessedHeads = {}
  isAway = false
  reads = 0
  writes = 0

  async read(): Promise<WitnessedHeads> {
    this.reads++
    if (this.isAway) throw new Error('no answer')
    return this.data
  }

  async write(heads: WitnessedHeads): Promise<void> {
    this.writes++
    if (this.isAway) throw new Error('no answer')
    this.data = { ...this.data, ...heads }
  }
}

suite('heads that are kept elsewhere', () => {
  const made: string[] = []
  const newFolder = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'trow-witness-'))
    made.push(folder)
    return folder
  }
  after(() => {
    for (const folder of made) rmSync(folder, { recursive: true, force: true })
  })

  async function live(
    fixture: AuditFixture,
    witness: HeadWitness | undefined,
    ...ids: string[]
  ): Promise<void> {
    const writer = await fixture.open({ witness })
    await fixture.metadata.outbox.record(
      ids.map((id) => encodeAuditRecord(auditRecordOf(id))),
      1,
    )
    writer.wake()
    const missing = async (): Promise<string[]> => {
      const found = new Set((await fixture.events()).map(({ id }) => id))
      return ids.filter((id) => !found.has(id))
    }
    await eventually(async () => (await missing()).length === 0, ids.join())
    await writer.close()
  }

  async function verify(fixture: AuditFixture, witnessed: WitnessedHeads): Promise<VerifyEvent[]> {
    const { auditFolder, metadata } = fixture
    const head = await metadata.outbox.head('changes')
    const verifier = await verifierOf(metadata.outbox)
    return Array.fromAsync(
      verifyLog({ lines: new FolderStore(auditFolder), log: 'changes', head, verifier, witnessed }),
    )
  }

  const problemsIn = (events: readonly VerifyEvent[]): string[] =>
    events.flatMap((event) => (event.kind === 'problem' ? [`${event.problem}: ${event.detail}`] : []))

  test('the head is there after a stop, with its key, and verify has compared it', async () => {
    const fixture = openFixture()
    const memory = new Memory()
    await live(fixture, memory, 'a', 'b')
    assert.equal(memory.data.key, await verifierOf(fixture.metadata.outbox))
    const events = await verify(fixture, memory.data)
    const [summary] = events
    assert.deepEqual([events.length, summary?.kind], [1, 'summary'])
    assert.equal(summary?.kind === 'summary' && summary.witness?.seq, 3)
    await fixture.close()
  })

  test('the head of denials is there too, and shows that they were cut', async () => {
    const fixture = openFixture()
    const memory = new Memory()
    const { auditFolder, metadata } = fixture
    await metadata.outbox.denials.record(
      [encodeAuditRecord(auditRecordOf('denied', { outcome: 'denied' }))],
      1,
    )
    await live(fixture, memory, 'a')
    const verifier = await verifierOf(metadata.outbox)
    const look = (): Promise<VerifyEvent[]> =>
      Array.fromAsync(
        verifyLog({
          lines: new FolderStore(auditFolder),
          log: 'denials',
          head: undefined,
          verifier,
          witnessed: memory.data,
        }),
      )
    assert.deepEqual(problemsIn(await look()), [])
    writeFileSync(join(auditFolder, 'denials-000000000001.jsonl'), '')
    assert.match(problemsIn(await look()).join(), /^cut: the head in the cluster signed at/)
    await fixture.close()
  })

  test('a volume that is put back to yesterday, heads and all, does not hide what it lost', async () => {
    const folder = newFolder()
    const memory = new Memory()
    const first = openFixture({ folder })
    await live(first, memory, 'a', 'b')
    await first.metadata.close()
    const yesterday = newFolder()
    cpSync(folder, yesterday, { recursive: true })
    const second = openFixture({ folder })
    await live(second, memory, 'c', 'd')
    await second.close()

    const back = openFixture({ folder: yesterday })
    assert.deepEqual(problemsIn(await verify(back, {})), [], 'the volume alone agrees with itself')
    assert.match(
      problemsIn(await verify(back, memory.data)).join(),
      /^cut: the head in the cluster signed at/,
    )
    await live(back, memory, 'e')
    const gap = (await back.systemEvents()).find(({ type }) => type === 'io.trow.audit.gap.v1')
    assert.deepEqual(gap?.data['missing'], { from: 4, to: 6 })
    assert.deepEqual(problemsIn(await verify(back, memory.data)), ['removed: lines 4 to 6 are missing'])
    await back.close()
  })

  test('another history is not taken for the log, and the head that says so stays', async () => {
    const memory = new Memory()
    const first = openFixture()
    await live(first, memory, 'a')
    await first.close()
    const kept = memory.data
    const other = openFixture()
    await live(other, undefined, 'x', 'y')
    await live(other, memory, 'z')
    assert.deepEqual(memory.data, kept)
    const problems = problemsIn(await verify(other, memory.data)).join()
    assert.match(problems, /head-invalid: the head in the cluster is signed by another key/)
    assert.match(problems, /rewritten: line 2 is not the one of the head in the cluster/)
    const gap = (await other.systemEvents()).find(({ type }) => type === 'io.trow.audit.gap.v1')
    assert.match(String(gap?.data['reason']), /line 2 is not the one of the head that is kept elsewhere/)
    await other.close()
  })

  test('a head that nobody has signed is no head', async () => {
    const fixture = openFixture()
    const memory = new Memory()
    await live(fixture, memory, 'a')
    const forged = { ...memory.data, changes: memory.data.changes?.replace('\n2\n', '\n1\n') ?? '' }
    assert.notEqual(forged.changes, memory.data.changes)
    assert.match(problemsIn(await verify(fixture, forged)).join(), /^head-invalid: .*not signed by the key/)
    await fixture.close()
  })

  test('while nobody answers everything else goes on', async () => {
    const fixture = openFixture()
    const memory = new Memory()
    memory.isAway = true
    await live(fixture, memory, 'a', 'b')
    assert.deepEqual([memory.data, memory.writes], [{}, 0])
    assert.ok(memory.reads > 0)
    assert.deepEqual(await fixture.problems(), [])
    const never: HeadWitness = {
      name: 'silence',
      read: (signal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('late')))),
      write: () => Promise.reject(new Error('not to be written')),
    }
    await live(fixture, never, 'c')
    await fixture.close()
  })
})

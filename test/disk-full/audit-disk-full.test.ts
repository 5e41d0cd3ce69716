import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { encodeAuditRecord } from '../../src/audit/audit-record.ts'
import { defaultOutboxBound } from '../../src/metadata/rules/outbox-bound.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag } from '../../src/oci/tag.ts'
import { eventually, openFixture } from '../audit/fixture.ts'
import { auditRecordOf } from '../audit/records.ts'
import { LoopDevice, loopDeviceProblem } from '../crash/loop-device.ts'
import { manifestOf } from '../metadata/metadata-store-contract.ts'

for (const beyond of ['refuse', 'allow'] as const) {
  test(`the disk of the audit log is full: changes wait in the outbox, beyond its bound: ${beyond}; the gap is on record`, async (t) => {
    const problem = await loopDeviceProblem()
    if (problem) return t.skip(problem)
    const device = await LoopDevice.create(32)
    const auditFolder = join(device.mountPoint, 'audit')
    const fixture = openFixture({
      bound: { ...defaultOutboxBound, changes: { rows: 20, bytes: 1e9 }, beyond },
      auditFolder,
    })
    const writer = await fixture.open()
    const repository = parseRepositoryName('full')
    const push = (n: number): Promise<unknown> => {
      const auditRecord = encodeAuditRecord(auditRecordOf(`push ${n}`, { reason: 'x'.repeat(900) }))
      return fixture.metadata.putManifest(
        manifestOf(repository, `${n}`, { tags: [parseTag(`t${n}`)], now: Date.now(), auditRecord }),
      )
    }
    try {
      const filler = join(device.mountPoint, 'filler')
      try {
        writeFileSync(filler, Buffer.alloc(64_000_000))
      } catch {
        // Full, as it should be.
      }
      let pushed = 0
      let refused = 0
      // The last block of the log's file may still have room.
      for (let n = 0; n < 60 && refused === 0; n++) {
        await push(n).then(
          () => pushed++,
          (error: { code?: string }) => {
            assert.equal(error.code, 'UNAVAILABLE')
            refused++
          },
        )
        writer.wake()
        if (n < 10) await new Promise((resolve) => setTimeout(resolve, 20))
      }
      assert.equal(refused, beyond === 'refuse' ? 1 : 0)
      assert.equal((await fixture.metadata.outbox.size()).rows, 20)
      await eventually(() => !writer.health.ok, 'trouble')
      assert.match(writer.health.problem ?? '', /ENOSPC/)
      assert.ok(await fixture.metadata.findManifest(repository, parseTag('t0')), 'reads go on')
      rmSync(filler)
      await eventually(
        async () => writer.health.ok && (await fixture.metadata.outbox.size()).rows === 0,
        'recovery',
      )
      await push(1000)
      await writer.close()
      const { events, systemEvents, problems } = fixture
      const recorded = (await events()).filter(({ id }) => id.startsWith('push'))
      const gaps = (await systemEvents()).filter(({ type }) => type === 'io.trow.audit.gap.v1')
      const lost = gaps.reduce((sum, { data }) => sum + (data.count ?? 0), 0)
      assert.ok(gaps.length > 0)
      assert.equal(recorded.length + lost, pushed + 1, 'each is recorded or counted')
      assert.equal(lost > 0, beyond === 'allow')
      assert.deepEqual(await problems(), [])
    } finally {
      await writer.close()
      await fixture.close()
      await device.destroy()
    }
  })
}

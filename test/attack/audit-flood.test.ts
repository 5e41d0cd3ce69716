import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { randomBytes } from 'node:crypto'
import { openFixture, eventually } from '../audit/fixture.ts'
import { auditRecordOf } from '../audit/records.ts'
import { eachLog } from '../../src/audit/chain.ts'
import { encodeAuditRecord } from '../../src/audit/audit-record.ts'
import { parseRepositoryName } from '../../src/oci/repository-name.ts'
import { parseTag } from '../../src/oci/tag.ts'
import { manifestOf } from '../metadata/metadata-store-contract.ts'
import { runCommand } from '../support/run-trow.ts'
import { startedServer } from '../support/server-process.ts'
import { passwords, startGated } from '../support/gated-server.ts'
import { seed } from '../support/access-matrix.ts'
import { basic, exchange, wayWith } from '../support/ways.ts'

interface Line {
  readonly event: {
    readonly type: string
    readonly time: string
    readonly data: {
      readonly repository?: string
      readonly count?: number
      readonly client?: { readonly ip: string }
    }
  }
}

function linesIn(data: string, log: 'changes' | 'denials'): Line['event'][] {
  const folder = join(data, 'audit')
  return readdirSync(folder)
    .filter((name) => name.startsWith(log))
    .map((name) => [name, readFileSync(join(folder, name))] as const)
    .flatMap(([name, bytes]) => (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().split('\n'))
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as Line).event)
}

function bytesIn(data: string): number {
  const folder = join(data, 'audit')
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

test('2,000 different denials of one address are few lines, on disk before the replies, and all are counted', async () => {
  const gated = await startGated({}, ['--workers', '2'])
  try {
    const { url, data } = gated
    const total = 2000
    const refused = async (index: number): Promise<void> => {
      const headers = {
        authorization: index % 2 === 0 ? `Bearer wrong-${index}` : basic('puller', passwords.puller),
      }
      const path = `/v2/team/r${index}/manifests/x`
      const { status } = await exchange(url, { method: 'DELETE', path, headers })
      assert.ok(status === 401 || status === 403)
    }
    for (let first = 0; first < total; first += 50)
      await Promise.all(Array.from({ length: 50 }, (_, index) => refused(first + index)))
    const bytes = bytesIn(data)
    assert.ok(bytes < 300_000, `${bytes} bytes`)
    const admin = wayWith('basic', url, () => ({ authorization: basic('admin', passwords.admin) }))
    await seed(admin, 'team/after-the-flood')
    // Counts are written at the end of the minute, and when the server stops.
    await gated.server.stop()
    const denials = linesIn(data, 'denials')
    const counted = denials.reduce((sum, { data: { count = 1 } }) => sum + count, 0)
    assert.equal(counted, total)
    assert.ok(denials.length < 150)
    // The limit holds for all workers together. A flood may reach into the next minute.
    const alone = denials.filter(({ type }) => type !== 'io.trow.several.denied.v1')
    const minutes = new Set(alone.map(({ time }) => time.slice(0, 16))).size
    assert.ok(alone.length <= 30 * minutes, `${alone.length} lines in ${minutes} minutes`)
    assert.ok(denials.some(({ type }) => type === 'io.trow.several.denied.v1'))
    const changes = linesIn(data, 'changes')
    assert.ok(changes.every(({ type }) => !type.endsWith('.denied.v1')))
    assert.ok(changes.some(({ data: { repository } }) => repository === 'team/after-the-flood'))
  } finally {
    await gated.close()
  }
})

test('after a SIGKILL there is a record of the denials that were answered', async () => {
  const gated = await startGated({}, ['--workers', '1'])
  try {
    const { url, data } = gated
    // More than the registry records one by one in two minutes.
    for (let index = 0; index < 90; index++) {
      const headers = { authorization: `Bearer wrong-${index}` }
      await exchange(url, { method: 'GET', path: `/v2/team/k${index}/tags/list`, headers })
    }
    await gated.server.kill()
    const server = await startedServer({ data, args: ['--config', join(gated.folder, 'trow.yaml')] })
    await server.stop()
    const types = linesIn(data, 'denials').map(({ type }) => type)
    const alone = types.filter((type) => type === 'io.trow.auth.denied.v1').length
    assert.ok(alone === 30 || alone === 60, `${alone} lines`)
    assert.ok(types.includes('io.trow.several.denied.v1'))
  } finally {
    await gated.close()
  }
})

test('denials beyond their size make the oldest denials go, and no change; verify says that all is well', async () => {
  const settings = { 'audit-size-denials': '64KiB', 'trusted-proxies': ['127.0.0.1'] }
  const gated = await startGated(settings, ['--workers', '2'])
  try {
    const { url, data } = gated
    const admin = wayWith('basic', url, () => ({ authorization: basic('admin', passwords.admin) }))
    await seed(admin, 'team/before-the-flood')
    // Each request has its own address, and a User-Agent that does not compress.
    const refused = async (index: number): Promise<void> => {
      const headers = {
        authorization: 'Bearer wrong',
        'x-forwarded-for': `10.1.${index >> 8}.${index & 255}`,
        'user-agent': randomBytes(120).toString('hex'),
      }
      const { status } = await exchange(url, { method: 'GET', path: `/v2/team/f${index}/tags/list`, headers })
      assert.equal(status, 401)
    }
    for (let first = 0; first < 800; first += 50)
      await Promise.all(Array.from({ length: 50 }, (_, index) => refused(first + index)))
    await seed(admin, 'team/after-the-flood')
    await gated.server.stop()
    const changes = linesIn(data, 'changes')
    const whole = linesIn(data, 'denials')
    assert.ok(whole.length > 400, `${whole.length} lines`)
    // Old segments are deleted at the start and every ten minutes.
    const server = await startedServer({ data, args: ['--config', join(gated.folder, 'trow.yaml')] })
    await server.stop()
    const kept = linesIn(data, 'denials')
    assert.ok(kept.length < whole.length, `${kept.length} of ${whole.length} lines`)
    assert.ok(kept.some(({ type }) => type === 'io.trow.audit.pruned.v1'))
    assert.deepEqual(linesIn(data, 'changes').slice(0, changes.length), changes)
    const { code, stdout } = await runCommand(['audit', 'verify', '--data', data])
    assert.match(stdout, /^changes: \d+ lines \(1 to \d+\) in 1 segment, .*: all is well$/m)
    assert.match(stdout, /^denials: \d+ lines .*, 1 to \d+ removed by retention, .*: all is well$/m)
    assert.equal(code, 0)
  } finally {
    await gated.close()
  }
})

test('ever more denials: their log stays within its size, every change stays', async () => {
  const fixture = openFixture()
  const minutes = 11 * 60_000
  const size = 60_000
  const retention = eachLog((log) => ({ age: 1e12, bytes: log === 'denials' ? size : 1e12 }))
  const writer = await fixture.open({ retention, segmentSize: 10_000 })
  const { outbox } = fixture.metadata
  for (let round = 0; round < 12; round++) {
    const denied = Array.from({ length: 40 }, (_, index) => {
      const client = { address: '10.0.0.1', userAgent: randomBytes(120).toString('hex') }
      return encodeAuditRecord(auditRecordOf(`d${round}-${index}`, { outcome: 'denied', client }))
    })
    await outbox.denials.record(denied, 1)
    await outbox.record([encodeAuditRecord(auditRecordOf(`change ${round}`))], 1)
    fixture.clock.now += minutes
    writer.wake()
    await eventually(
      async () => (await outbox.size()).rows + (await outbox.denials.size()).rows === 0,
      'the log',
    )
  }
  await writer.close()
  try {
    const ids = (await fixture.events()).map(({ id }) => id)
    assert.equal(ids.filter((id) => id.startsWith('change')).length, 12)
    assert.ok(!ids.includes('d0-0') && ids.includes('d11-39'))
    const names = readdirSync(fixture.auditFolder).filter((name) => name.startsWith('denials'))
    const bytes = names.reduce((sum, name) => sum + statSync(join(fixture.auditFolder, name)).size, 0)
    // Segments that were written after the last deletion come on top of the limit.
    assert.ok(bytes < size + 40_000, `${bytes} bytes`)
    assert.deepEqual(await fixture.problems(), [])
  } finally {
    await fixture.close()
  }
})

test('while the log cannot be written, an outbox full of denials still takes a change', async () => {
  const fixture = openFixture({
    bound: { changes: { rows: 100, bytes: 1e6 }, denials: { rows: 50, bytes: 1e6 }, beyond: 'refuse' },
  })
  try {
    const { outbox } = fixture.metadata
    const deny = (index: number): Promise<void> =>
      outbox.denials.record([encodeAuditRecord(auditRecordOf(`d${index}`, { outcome: 'denied' }))], 1)
    for (let index = 0; index < 50; index++) await deny(index)
    await assert.rejects(deny(50), { code: 'UNAVAILABLE' })
    const repository = parseRepositoryName('team/app')
    const push = manifestOf(repository, 'm', {
      tags: [parseTag('1')],
      now: 1,
      auditRecord: encodeAuditRecord(auditRecordOf('push')),
    })
    await fixture.metadata.putManifest(push)
    assert.ok(await fixture.metadata.findManifest(repository, parseTag('1')))
    await (await fixture.open()).close()
    assert.equal((await fixture.events()).length, 51)
  } finally {
    await fixture.close()
  }
})

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { passwords, startGated } from '../gate/fixture.ts'
import { seed } from '../gate/matrix.ts'
import { basic, exchange, wayWith } from '../gate/ways.ts'

interface Line {
  readonly event: {
    readonly type: string
    readonly data: {
      readonly repository?: string
      readonly count?: number
      readonly client?: { readonly ip: string }
    }
  }
}

function linesIn(data: string): Line['event'][] {
  const folder = join(data, 'audit')
  return readdirSync(folder)
    .filter((name) => name.startsWith('changes') && name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
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
    // The counts are written when the minute ends, and at the stop.
    await gated.server.stop()
    const events = linesIn(data)
    const counted = events
      .filter(({ type }) => type.endsWith('.denied.v1'))
      .reduce((sum, { data: { count = 1 } }) => sum + count, 0)
    assert.equal(counted, total)
    assert.ok(events.filter(({ type }) => type.endsWith('.denied.v1')).length < 150)
    assert.ok(events.some(({ type }) => type === 'io.trow.several.denied.v1'))
    assert.ok(events.some(({ data: { repository } }) => repository === 'team/after-the-flood'))
  } finally {
    await gated.close()
  }
})

test('after a SIGKILL there is a record of the denials that were answered', async () => {
  const gated = await startGated({}, ['--workers', '1'])
  try {
    const { url, data } = gated
    for (let index = 0; index < 60; index++) {
      const headers = { authorization: `Bearer wrong-${index}` }
      await exchange(url, { method: 'GET', path: `/v2/team/k${index}/tags/list`, headers })
    }
    await gated.server.kill()
    const { startedServer } = await import('../support/server-process.ts')
    const server = await startedServer({ data, args: ['--config', join(gated.folder, 'trow.yaml')] })
    await server.stop()
    const types = linesIn(data).map(({ type }) => type)
    assert.equal(types.filter((type) => type === 'io.trow.auth.denied.v1').length, 30)
    assert.ok(types.includes('io.trow.several.denied.v1'))
  } finally {
    await gated.close()
  }
})

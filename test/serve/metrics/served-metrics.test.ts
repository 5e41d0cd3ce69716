import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { trowVersion } from '../../../src/cli/version.ts'
import { startedServer } from '../../support/server-process.ts'

const root = mkdtempSync(join(tmpdir(), 'trow-metrics-'))
after(() => rmSync(root, { recursive: true, force: true }))

test('a server exposes what is documented, with its build, its certificates and the room that is left', async () => {
  const data = join(root, 'data')
  mkdirSync(join(root, 'policies'))
  const args = [
    '--metrics-listen',
    '127.0.0.1:0',
    '--tls-auto',
    '--audit',
    'on',
    '--policy-dir',
    join(root, 'policies'),
  ]
  const server = await startedServer({ data, args })
  try {
    const address = /metrics on (http:\S+)/.exec(server.output())?.[1] ?? ''
    const text = await (await fetch(address)).text()
    const valueOf = (series: string): number =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.slice(series.length),
      )
    const { node, sqlite } = process.versions
    assert.equal(valueOf(`trow_build_info{version="${trowVersion()}",node="${node}",sqlite="${sqlite}"}`), 1)
    for (const [label, file] of [
      ['default', 'tls.crt'],
      ['ca', 'ca.crt'],
    ] as const) {
      const { validTo } = new X509Certificate(readFileSync(join(data, 'tls', file)))
      const expiry = valueOf(`trow_certificate_expiry_timestamp_seconds{certificate="${label}"}`)
      assert.equal(expiry, Date.parse(validTo) / 1000)
    }
    const { blocks, bsize } = statfsSync(data)
    assert.equal(valueOf('trow_data_filesystem_size_bytes'), blocks * bsize)
    const free = valueOf('trow_data_filesystem_free_bytes')
    assert.ok(free > 0 && free > valueOf('trow_storage_free_bytes'), 'the reserve is free too')
    assert.ok(valueOf('trow_worker_heap_used_bytes{worker="0"}') > 1_000_000)
    assert.ok(valueOf('process_cpu_seconds_total') > 0)
    const documentation = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8')
    const unknown = [...text.matchAll(/^# TYPE (\S+)/gm)].filter(
      ([, name]) => !documentation.includes(`| \`${name}\``),
    )
    assert.deepEqual(unknown, [])
  } finally {
    await server.stop()
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serveMetrics } from '../../src/serve/metrics/metrics-server.ts'
import { quiet } from '../audit/records.ts'

test('whoever asks for metrics all the time has the threads asked once a second', async () => {
  let asked = 0
  const parts = {
    log: quiet,
    workers: { counts: async () => (asked++, []) },
    maintenance: { totals: async () => undefined, restarts: 0, health: { ok: true } },
    writes: { state: { health: { ok: true }, freeBytes: Infinity } },
    audit: undefined,
    tls: undefined,
    version: '0.1.0',
    hosts: undefined,
  } as unknown as Parameters<typeof serveMetrics>[1]
  const server = await serveMetrics({ host: '127.0.0.1', port: 0 }, parts)
  try {
    const scrape = async (): Promise<string> => (await fetch(`http://${server.address}/metrics`)).text()
    const begun = performance.now()
    for (let round = 0; round < 4; round++) {
      const texts = await Promise.all(Array.from({ length: 50 }, scrape))
      for (const text of texts) assert.match(text, /^trow_maintenance_up 1$/m)
    }
    const seconds = Math.ceil((performance.now() - begun) / 1000)
    assert.ok(asked <= seconds, `asked ${asked} times in ${seconds} s`)
  } finally {
    await server.close()
  }
})

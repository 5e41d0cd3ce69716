import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectClient } from '../../crash/http-client.ts'
import { sha256 } from '../../crash/model.ts'
import { startedServer } from '../../support/server-process.ts'

const imageType = 'application/vnd.oci.image.manifest.v1+json'

test('while tags move, no reader on any worker goes back in time', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-coherence-'))
  const server = await startedServer({ data: join(folder, 'data'), args: ['--workers', '4'] })
  const writer = connectClient(server.url, 1)
  // Many connections, so that the kernel spreads them over all workers.
  const readers = Array.from({ length: 12 }, () => connectClient(server.url, 1))
  const config = Buffer.from('{}')
  await writer.request('POST', `/v2/moving/blobs/uploads/?digest=${sha256(config)}`, { body: config })
  /** Position of each digest in the order of the pushes. */
  const order = new Map<string, number>()
  let acknowledged = -1
  let seen = -1
  let over = false
  let reads = 0

  async function push(position: number): Promise<void> {
    const body = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: imageType,
        config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256(config), size: 2 },
        layers: [],
        annotations: { position: String(position) },
      }),
    )
    order.set(sha256(body), position)
    const answer = await writer.request('PUT', '/v2/moving/manifests/tag', {
      body,
      headers: { 'content-type': imageType },
    })
    assert.equal(answer.status, 201)
    acknowledged = position
  }

  async function read(client: (typeof readers)[number]): Promise<void> {
    while (!over) {
      // The newest position that was acknowledged, or seen by any reader, before this read begins.
      const floor = Math.max(acknowledged, seen)
      const answer = await client.request('GET', '/v2/moving/manifests/tag')
      const position = order.get(sha256(answer.body)) ?? -1
      assert.ok(position >= floor, `read ${position} after ${floor}`)
      assert.equal(answer.headers['docker-content-digest'], sha256(answer.body))
      seen = Math.max(seen, position)
      reads++
    }
  }

  try {
    await push(0)
    const reading = readers.map((client) => read(client))
    const writing = (async () => {
      for (let position = 1; position <= 400; position++) await push(position)
      over = true
    })()
    await Promise.race([Promise.all(reading), writing])
    over = true
    await Promise.all([...reading, writing])
    assert.ok(reads > 1000, `only ${reads} reads`)
  } finally {
    over = true
    for (const client of [writer, ...readers]) client.close()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})

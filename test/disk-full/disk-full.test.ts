import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { LoopDevice, loopDeviceProblem } from '../crash/loop-device.ts'
import { connectClient, type Answer } from '../crash/http-client.ts'
import { runTrow, startedServer } from '../support/server-process.ts'

const imageType = 'application/vnd.oci.image.manifest.v1+json'
const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

for (const [name, reserve] of [
  ['up to the reserve', '32MiB'],
  ['to the last byte', '0'],
] as const) {
  test(`a disk that is full ${name}: pushes get 507, pulls and deletions go on, and it recovers by itself`, async (t) => {
    const problem = await loopDeviceProblem()
    if (problem) return t.skip(problem)
    const device = await LoopDevice.create(128)
    const server = await startedServer({
      data: join(device.mountPoint, 'data'),
      args: ['--reserve', reserve],
    })
    const client = connectClient(server.url)
    const push = async (size: number): Promise<{ answer: Answer; digest: string }> => {
      const body = randomBytes(size)
      const digest = sha256(body)
      return {
        answer: await client.request('POST', `/v2/full/blobs/uploads/?digest=${digest}`, { body }),
        digest,
      }
    }
    const image = (digest: string, size: number): Buffer =>
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: imageType,
          config: { mediaType: 'application/vnd.example', digest, size },
          layers: [],
        }),
      )
    const tag = (name: string, body: Buffer): Promise<Answer> =>
      client.request('PUT', `/v2/full/manifests/${name}`, { body, headers: { 'content-type': imageType } })
    try {
      const kept: string[] = []
      const first = await push(1_000_000)
      assert.equal((await tag('kept', image(first.digest, 1_000_000))).status, 201)
      let refused: Answer | undefined
      for (let i = 0; i < 200 && refused === undefined; i++) {
        const { answer, digest } = await push(2_000_000)
        if (answer.status === 201) kept.push(digest)
        else refused = answer
      }
      assert.equal(refused?.status, 507)
      const { errors } = JSON.parse(refused?.body.toString() ?? '') as {
        errors: { code: string; detail: string }[]
      }
      assert.equal(errors[0]?.code, 'STORAGE_FULL')
      assert.match(errors[0]?.detail ?? '', /delete|room/)
      // Fill what is left besides, as another program would.
      const filler = join(device.mountPoint, 'filler')
      if (reserve === '0') {
        try {
          writeFileSync(filler, Buffer.alloc(200_000_000))
        } catch {
          // Full, as it should be.
        }
        await sleep(1200)
        assert.equal((await push(100)).answer.status, 507)
      }
      assert.equal((await fetch(`${server.url}/readyz`)).status, 200)
      // It is looked at every 5 s.
      for (let tries = 0; tries < 100; tries++) {
        if ((await fetch(`${server.url}/readyz/write`)).status === 503) break
        await sleep(200)
      }
      assert.equal((await fetch(`${server.url}/readyz/write`)).status, 503)
      for (const digest of [first.digest, ...kept]) {
        const pulled = await client.request('GET', `/v2/full/blobs/${digest}`)
        assert.equal(sha256(pulled.body), digest)
      }
      assert.equal((await client.request('GET', '/v2/full/manifests/kept')).status, 200)
      // With a reserve, deletions work while it is full; without one, only when something else made room.
      rmSync(filler, { force: true })
      if (reserve === '0') await sleep(200)
      const removed = await client.request('DELETE', '/v2/full/manifests/kept')
      assert.equal(removed.status, 202, removed.body.toString())
      for (const digest of kept) {
        const { status, body } = await client.request('DELETE', `/v2/full/blobs/${digest}`)
        assert.equal(status, 202, body.toString())
      }
      // The first run condemns, the second deletes.
      for (let run = 0; run < 2; run++) {
        const { code, output } = await runTrow(['gc', '--data', join(device.mountPoint, 'data')])
        assert.equal(code, 0, output)
      }
      let recovered = 0
      for (let attempt = 0; attempt < 50 && recovered !== 201; attempt++) {
        recovered = (await push(1_000_000)).answer.status
        await sleep(100)
      }
      assert.equal(recovered, 201)
    } finally {
      client.close()
      await server.stop()
      await device.destroy()
    }
  })
}

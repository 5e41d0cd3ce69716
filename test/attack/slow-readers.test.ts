import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startedServer, type ServerProcess } from '../support/server-process.ts'

const megabyte = 1024 * 1024
const imageType = 'application/vnd.oci.image.manifest.v1+json'
const empty = `sha256:${createHash('sha256').update('{}').digest('hex')}`
/** Number of distinct manifests: together they exceed the 64 MiB budget of large replies. */
const largeOnes = 6
/** Bytes of a manifest. The kernel buffers about 4 MiB of a reply for a client that reads nothing. */
const largeSize = 15 * megabyte

suite('whoever asks for much and reads nothing holds up nobody', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-readers-'))
  let server: ServerProcess
  let sockets: Socket[] = []

  before(async () => {
    await start()
    await put(`blobs/uploads/?digest=${empty}`, 'POST', '{}')
    await put('manifests/small', 'PUT', image({ annotations: { size: 'small' } }))
    for (let each = 0; each < largeOnes; each++) {
      const annotations = { each: `${each} `.padEnd(largeSize, 'x') }
      await put(`manifests/large-${each}`, 'PUT', image({ annotations }))
    }
    for (const each of [1, 2, 3]) {
      const subject = { mediaType: imageType, digest: empty, size: 2 }
      const annotations = { each: `${each} `.padEnd(1.1 * megabyte, 'y') }
      await put(`manifests/referrer-${each}`, 'PUT', image({ subject, annotations }))
    }
    // Memory that the pushes used must not hide what the pulls use.
    await server.stop()
    await start()
  })
  after(async () => {
    for (const socket of sockets) socket.destroy()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  async function put(path: string, method: string, body: string): Promise<void> {
    const headers = { 'Content-Type': method === 'PUT' ? imageType : 'application/octet-stream' }
    const reply = await fetch(`${server.url}/v2/readers/${path}`, { method, body, headers })
    assert.equal(reply.status, 201, `${path}: ${(await reply.text()).slice(0, 500)}`)
  }

  async function start(): Promise<void> {
    const args = ['--workers', '2', '--manifest-limit', '16MiB']
    server = await startedServer({ data: join(folder, 'data'), args })
  }

  /** Megabytes. */
  function resident(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024
  }

  /** Opens sockets from many addresses that request `paths` in turn and read nothing. Returns the largest growth of the server. */
  async function attack(count: number, request: (index: number) => string): Promise<number> {
    const calm = resident()
    let most = 0
    const look = (): void => void (most = Math.max(most, resident() - calm))
    sockets = []
    for (let index = 0; index < count; index++) {
      const [host, port] = ['127.0.0.1', Number(new URL(server.url).port)]
      const socket = connect({ host, port, localAddress: `127.0.3.${1 + (index % 50)}` })
      sockets.push(socket)
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.pause()
      socket.write(request(index))
      if (index % 20 === 0) look()
    }
    for (let round = 0; round < 50; round++) {
      await sleep(100)
      look()
    }
    return most
  }

  const get = (path: string): string => `GET /v2/readers/${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`

  async function othersAreServed(): Promise<void> {
    const small = await fetch(`${server.url}/v2/readers/manifests/small`)
    assert.equal(small.status, 200)
    for (let each = 0; each < largeOnes; each += 2) {
      const reply = await fetch(`${server.url}/v2/readers/manifests/large-${each}`)
      const body = await reply.text()
      assert.equal(reply.status, 200, body.slice(0, 500))
      assert.ok(body.length > largeSize)
    }
    const listed = await fetch(`${server.url}/v2/readers/referrers/${empty}`)
    assert.equal(listed.status, 200)
    assert.ok((await listed.text()).length > 3 * megabyte)
  }

  async function endAttack(): Promise<void> {
    for (const socket of sockets) socket.destroy()
    await sleep(200)
  }

  test('100 sockets that ask for the largest manifests: what is held stays within its budget, and others get theirs', async () => {
    const grown = await attack(100, (index) =>
      get(index % 4 === 3 ? `referrers/${empty}` : `manifests/large-${index % largeOnes}`),
    )
    // 64 MiB, one manifest in reserve, the caches of two workers, and what V8 has not collected yet.
    assert.ok(grown < 800, `the server has grown by ${Math.round(grown)} MB`)
    await othersAreServed()
    await endAttack()
  })

  test('replies that wait behind others on their connection give their room back when it goes', async () => {
    const all = Array.from({ length: largeOnes }, (_, each) => get(`manifests/large-${each}`)).join('')
    await attack(10, () => all)
    await endAttack()
    await othersAreServed()
  })
})

function image(fields: object): string {
  const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: empty, size: 2 }
  return JSON.stringify({ schemaVersion: 2, mediaType: imageType, config, layers: [], ...fields })
}

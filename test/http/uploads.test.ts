import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { startedServer, type ServerProcess } from '../support/server-process.ts'
import { RawSocket } from './raw-socket.ts'

const host = 'Host: localhost\r\n'
const expectation = 'Expect: 100-continue\r\n'

suite('uploads on raw connections', () => {
  let server: ServerProcess
  let folder = ''
  let port = 0
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-uploads-'))
    // Several workers: the next request of a client may reach another one.
    server = await startedServer({ data: join(folder, 'data'), args: ['--workers', '2'] })
    port = Number(new URL(server.url).port)
  })
  after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const sha256 = (content: Uint8Array): string =>
    `sha256:${createHash('sha256').update(content).digest('hex')}`
  async function open(): Promise<string> {
    const opened = await fetch(`${server.url}/v2/raw/blobs/uploads/`, { method: 'POST' })
    return opened.headers.get('location') ?? ''
  }
  const put = (
    location: string,
    digest: string,
    body: Uint8Array<ArrayBuffer> | undefined,
    headers: Record<string, string> = {},
  ): Promise<Response> =>
    fetch(`${server.url}${location}?digest=${digest}`, { method: 'PUT', headers, ...(body && { body }) })
  const status = async (location: string): Promise<string | null> =>
    (await fetch(`${server.url}${location}`)).headers.get('range')
  const pulled = async (digest: string): Promise<Buffer> =>
    Buffer.from(await (await fetch(`${server.url}/v2/raw/blobs/${digest}`)).arrayBuffer())

  /** A PUT that announces all of `content` and is cut after `bytes` of it; resolves when the registry has noticed. */
  async function cutPut(location: string, digest: string, content: Buffer, bytes: number): Promise<void> {
    const socket = new RawSocket(port)
    socket.send(
      `PUT ${location}?digest=${digest} HTTP/1.1\r\n${host}Content-Length: ${content.length}\r\n\r\n`,
    )
    socket.send(content.subarray(0, bytes))
    const deadline = Date.now() + 20_000
    // Bytes that another worker received are visible once it has released the upload.
    await socket.flushed()
    await new Promise((resolve) => setTimeout(resolve, 300))
    socket.close()
    while ((await status(location)) !== `0-${bytes - 1}`) {
      assert.ok(Date.now() < deadline, `the upload stands at ${await status(location)}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  test('a PUT of 6 MB that is cut after 3 can be sent again', async () => {
    const content = randomBytes(6_000_000)
    const digest = sha256(content)
    const location = await open()
    await cutPut(location, digest, content, 3_000_000)
    const other = await put(location, digest, randomBytes(6_000_000))
    assert.equal(other.status, 400)
    assert.match(await other.text(), /DIGEST_INVALID.*still has 3000000 bytes/)
    const again = await put(location, digest, content)
    assert.equal(again.status, 201, await again.text())
    assert.ok((await pulled(digest)).equals(content))
  })

  test('or go on with the rest, with a Content-Range or without', async () => {
    for (const headers of [{}, { 'content-range': '3000000-5999999' }]) {
      const content = randomBytes(6_000_000)
      const digest = sha256(content)
      const location = await open()
      await cutPut(location, digest, content, 3_000_000)
      const rest = await put(location, digest, content.subarray(3_000_000), headers)
      assert.equal(rest.status, 201, await rest.text())
      assert.ok((await pulled(digest)).equals(content))
    }
  })

  test('a Content-Range that does not fit: 416, where the upload stands, and it stays', async () => {
    const content = randomBytes(100_000)
    const digest = sha256(content)
    const location = await open()
    const patched = await fetch(`${server.url}${location}`, {
      method: 'PATCH',
      headers: { 'content-range': '0-49999' },
      body: content.subarray(0, 50_000),
    })
    assert.equal(patched.status, 202)
    for (const [range, body] of [
      ['0-49999', content.subarray(0, 50_000)],
      ['60000-99999', content.subarray(60_000)],
      ['50000-99999', undefined],
    ] as const) {
      const refused = await put(location, digest, body, { 'content-range': range })
      assert.equal(refused.status, body === undefined ? 400 : 416, range)
      if (body !== undefined) {
        assert.equal(refused.headers.get('range'), '0-49999')
        assert.equal(refused.headers.get('location'), location)
      }
      assert.equal(await status(location), '0-49999')
    }
    const last = await put(location, digest, content.subarray(50_000), { 'content-range': '50000-99999' })
    assert.equal(last.status, 201)
  })

  test('a Content-Range that names other bytes than come is refused, however they come, and nothing is kept', async () => {
    for (const method of ['PATCH', 'PUT']) {
      for (const bytes of [50, 5]) {
        for (const framing of [
          `Content-Length: ${bytes}\r\n\r\n${'a'.repeat(bytes)}`,
          `Transfer-Encoding: chunked\r\n\r\n${bytes.toString(16)}\r\n${'a'.repeat(bytes)}\r\n0\r\n\r\n`,
        ]) {
          const location = await open()
          const socket = new RawSocket(port)
          const query = method === 'PUT' ? `?digest=${sha256(Buffer.alloc(bytes, 'a'))}` : ''
          socket.send(`${method} ${location}${query} HTTP/1.1\r\n${host}Content-Range: 0-9\r\n${framing}`)
          const reply = await socket.reply()
          assert.equal(reply?.status, 400, `${method} ${framing.slice(0, 20)} ${reply?.body}`)
          assert.match(reply?.body ?? '', /SIZE_INVALID/)
          assert.equal(await status(location), '0--1')
          socket.close()
        }
      }
    }
    const blob = Buffer.alloc(50, 'b')
    const single = await fetch(`${server.url}/v2/raw/blobs/uploads/?digest=${sha256(blob)}`, {
      method: 'POST',
      headers: { 'content-range': '0-9' },
      body: blob,
    })
    assert.equal(single.status, 400)
  })

  test('a PUT whose 201 was lost is answered with 201 again', async () => {
    for (const size of [500, 3_000_000]) {
      const content = randomBytes(size)
      const digest = sha256(content)
      const location = await open()
      assert.equal((await put(location, digest, content)).status, 201)
      const again = await put(location, digest, content)
      assert.equal(again.status, 201)
      assert.equal(again.headers.get('location'), `/v2/raw/blobs/${digest}`)
      const elsewhere = await put(location.replace('/raw/', '/other/'), digest, content)
      assert.equal(elsewhere.status, 404)
      assert.match(await elsewhere.text(), /BLOB_UPLOAD_UNKNOWN/)
    }
  })

  test('100 Continue comes only when the upload is known, and the offset fits', async () => {
    const content = randomBytes(400)
    const digest = sha256(content)
    const location = await open()
    const length = `Content-Length: ${content.length}\r\n${expectation}`
    const refusals: readonly (readonly [request: string, status: number])[] = [
      [`PATCH /v2/raw/blobs/uploads/none HTTP/1.1\r\n${host}${length}\r\n`, 404],
      [`PUT /v2/raw/blobs/uploads/none?digest=${digest} HTTP/1.1\r\n${host}${length}\r\n`, 404],
      [`PATCH ${location} HTTP/1.1\r\n${host}Content-Range: 400-799\r\n${length}\r\n`, 416],
      [`PUT ${location}?digest=${digest} HTTP/1.1\r\n${host}Content-Range: 9-408\r\n${length}\r\n`, 416],
      [`PATCH ${location} HTTP/1.1\r\n${host}Content-Range: 0-9\r\n${length}\r\n`, 400],
      [`PATCH ${location} HTTP/1.1\r\n${host}Content-Range: 9-0\r\n${length}\r\n`, 400],
    ]
    for (const [request, expected] of refusals) {
      const socket = new RawSocket(port)
      socket.send(request)
      assert.equal((await socket.reply())?.status, expected, request)
      socket.close()
    }
    const socket = new RawSocket(port)
    socket.send(`PUT ${location}?digest=${digest} HTTP/1.1\r\n${host}${length}\r\n`)
    assert.equal((await socket.reply())?.status, 100)
    socket.send(content)
    assert.equal((await socket.reply())?.status, 201)
    // The same request again: its body is not needed, but the client may send it.
    socket.send(`PUT ${location}?digest=${digest} HTTP/1.1\r\n${host}${length}\r\n`)
    assert.equal((await socket.reply())?.status, 100)
    socket.send(content)
    assert.equal((await socket.reply())?.status, 201)
    socket.close()
  })
})

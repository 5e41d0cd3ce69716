import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { startedServer, type ServerProcess } from '../support/server-process.ts'
import { RawSocket } from './raw-socket.ts'

suite('hostile input', () => {
  let server: ServerProcess
  let folder = ''
  let port = 0

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-hostile-'))
    server = await startedServer({
      data: join(folder, 'data'),
      args: ['--idle-timeout', '2s', '--workers', '1'],
    })
    port = Number(new URL(server.url).port)
  })
  after(async () => {
    // After all these requests the server still serves.
    assert.equal((await fetch(`${server.url}/v2/`)).status, 200)
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const host = 'Host: localhost\r\n'
  async function send(
    text: string,
  ): Promise<{ socket: RawSocket; reply: Awaited<ReturnType<RawSocket['reply']>> }> {
    const socket = new RawSocket(port)
    socket.send(text)
    return { socket, reply: await socket.reply() }
  }
  async function refused(text: string, status: number): Promise<void> {
    const { socket, reply } = await send(text)
    assert.equal(reply?.status, status, reply?.body ?? 'no reply')
    const { errors } = JSON.parse(reply?.body ?? '{}') as { errors: { code: string; detail: unknown }[] }
    assert.ok(errors.length > 0 && typeof errors[0]?.code === 'string' && errors[0].detail !== undefined)
    socket.close()
  }

  const paths: readonly (readonly [path: string, ...statuses: number[]])[] = [
    ['/v2/../../etc/passwd', 404, 400],
    ['/v2/%2e%2e/%2e%2e/manifests/x', 400],
    ['/v2/a%2fb/manifests/x', 400],
    ['/v2/a/../b/manifests/x', 400],
    ['/v2/a/manifests/..', 400],
    ['/v2/a/manifests/%2e%2e%2fx', 400],
    ['/v2/a/manifests/%zz', 400],
    ['/v2/a/blobs/sha256:../../../etc/passwd', 400, 404],
    ['/v2/a/blobs/uploads/..%2f..%2fx', 404],
    ['/v2/a/blobs/uploads/%00', 404],
    [`/v2/${'a/'.repeat(200)}b/tags/list`, 400],
    ['/v2//manifests/x', 404, 400],
    ['/v2/a//b/manifests/x', 400],
    ['/v2/A/tags/list', 400],
    ['//v2/', 404],
    ['/v2/a/tags/list/', 404],
    ['/', 404],
  ]
  for (const [path, ...statuses] of paths) {
    test(`GET ${path.slice(0, 60)} is refused`, async () => {
      const { socket, reply } = await send(`GET ${path} HTTP/1.1\r\n${host}\r\n`)
      assert.ok(statuses.includes(reply?.status ?? 0), `${reply?.status} ${reply?.body}`)
      assert.ok(reply?.body.startsWith('{"errors":['))
      socket.close()
    })
  }

  test('headers of more than 64 KiB', () =>
    refused(`GET /v2/ HTTP/1.1\r\n${host}X: ${'a'.repeat(70_000)}\r\n\r\n`, 431))
  test('many headers, and the last one counts', async () => {
    const { socket, reply } = await send(
      `GET /v2/_catalog?n=x HTTP/1.1\r\n${host}${'A: b\r\n'.repeat(9000)}X-Request-Id: last\r\n\r\n`,
    )
    assert.equal(reply?.status, 400)
    assert.match(reply?.head ?? '', /last/)
    socket.close()
  })
  test('no Host', () => refused('GET /v2/ HTTP/1.1\r\n\r\n', 400))
  test('HTTP/1.0 needs none', async () => {
    const { socket, reply } = await send('GET /v2/ HTTP/1.0\r\n\r\n')
    assert.equal(reply?.status, 200)
    socket.close()
  })
  for (const [form, status] of [
    ['http://localhost/v2/', 200],
    ['HTTPS://LOCALHOST/v2/_catalog?n=1', 200],
    ['http://localhost', 404],
    ['ftp://registry.example/v2/', 404],
    ['*', 404],
  ] as const) {
    test(`the request target ${form}`, async () => {
      const { socket, reply } = await send(`GET ${form} HTTP/1.1\r\n${host}\r\n`)
      assert.equal(reply?.status, status)
      socket.close()
    })
  }
  test('a method that a path does not take: 405 names those that it takes', async () => {
    const { socket, reply } = await send(`DELETE /v2/a/tags/list HTTP/1.1\r\n${host}\r\n`)
    assert.equal(reply?.status, 405)
    assert.match(reply?.head ?? '', /^Allow: GET, HEAD$/m)
    socket.close()
  })
  test('what is no HTTP', () => refused('HELLO\r\n\r\n', 400))
  test('a length and chunks', () =>
    refused(
      `POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ))
  test('two lengths', () =>
    refused(
      `POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${host}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
      400,
    ))
  test('a folded header', () => refused(`GET /v2/ HTTP/1.1\r\n${host}A: b\r\n c: d\r\n\r\n`, 400))
  test('a space before the colon', () =>
    refused(`GET /v2/ HTTP/1.1\r\n${host}Content-Length : 5\r\n\r\n`, 400))
  test('an unknown transfer encoding', () =>
    refused(`POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n`, 400))
  test('a negative length', () =>
    refused(`POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${host}Content-Length: -5\r\n\r\n`, 400))
  test('an expectation that is unknown', () =>
    refused(
      `POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${host}Expect: miracles\r\nContent-Length: 0\r\n\r\n`,
      417,
    ))

  test('a request smuggled behind a body is a request of its own', async () => {
    const hidden = `GET /v2/_catalog HTTP/1.1\r\n${host}\r\n`
    const { socket, reply } = await send(
      `GET /v2/ HTTP/1.1\r\n${host}Content-Length: ${hidden.length}\r\n\r\n${hidden}`,
    )
    assert.equal(reply?.status, 200)
    socket.send(`GET /v2/_oci/ext/discover HTTP/1.1\r\n${host}\r\n`)
    const next = await socket.reply()
    assert.match(next?.body ?? '', /extensions/, 'the body was taken for a request')
    socket.close()
  })

  test('after a small refused body the connection lives on', async () => {
    const { socket, reply } = await send(
      `PUT /v2/a/manifests/-x HTTP/1.1\r\n${host}Content-Length: 1000\r\n\r\n${'a'.repeat(1000)}`,
    )
    assert.equal(reply?.status, 400)
    socket.send(`GET /v2/ HTTP/1.1\r\n${host}\r\n`)
    assert.equal((await socket.reply())?.status, 200)
    socket.close()
  })

  test('after a refused upload of 2 MB the connection lives on', async () => {
    const socket = new RawSocket(port)
    socket.send(`PATCH /v2/a/blobs/uploads/unknown HTTP/1.1\r\n${host}Content-Length: 2000000\r\n\r\n`)
    socket.send(randomBytes(2_000_000))
    assert.equal((await socket.reply())?.status, 404)
    socket.send(`GET /v2/ HTTP/1.1\r\n${host}\r\n`)
    assert.equal((await socket.reply())?.status, 200)
    socket.close()
  })

  test('a refused body of 1 GB is not swallowed', async () => {
    const { socket, reply } = await send(
      `PUT /v2/a/manifests/x HTTP/1.1\r\n${host}Content-Length: 1000000000\r\n\r\n`,
    )
    assert.equal(reply?.status, 413)
    const sent = await socket.flood(1_000_000_000)
    assert.ok(sent < 100_000_000, `${sent} bytes were taken`)
    await socket.ended()
  })

  test('a manifest without end is cut off', async () => {
    const { socket } = { socket: new RawSocket(port) }
    socket.send(`PUT /v2/a/manifests/x HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`)
    const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`
    for (let i = 0; i < 100 && !socket.closed; i++) socket.send(chunk)
    assert.equal((await socket.reply())?.status, 413)
    socket.close()
  })

  test('what is no HTTP behind a pull never stands in the middle of what is pulled', async () => {
    const content = randomBytes(20_000_000)
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
    const pushed = await fetch(`${server.url}/v2/a/blobs/uploads/?digest=${digest}`, {
      method: 'POST',
      body: content,
    })
    assert.equal(pushed.status, 201)
    const socket = connect(port, '127.0.0.1')
    socket.write(`GET /v2/a/blobs/${digest} HTTP/1.1\r\n${host}\r\n`)
    const received: Buffer[] = []
    socket.on('data', (chunk: Buffer) => {
      // The reply is being sent.
      if (received.push(chunk) === 1) socket.write('garbage\r\n\r\n')
    })
    socket.on('error', () => {})
    await once(socket, 'close')
    const bytes = Buffer.concat(received)
    const body = bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)
    assert.ok(body.equals(content.subarray(0, body.length)), `other bytes within ${body.length}`)
  })

  test('a client that has closed its side gets the whole of its reply', async () => {
    const content = randomBytes(20_000_000)
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
    await fetch(`${server.url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: content })
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    socket.end(`GET /v2/a/blobs/${digest} HTTP/1.1\r\n${host}\r\n`)
    const received: Buffer[] = []
    for await (const chunk of socket) received.push(chunk as Buffer)
    assert.ok(Buffer.concat(received).subarray(-content.length).equals(content))
  })

  test('many bodies that trickle in do not keep the others out', async () => {
    const slow = Array.from({ length: 150 }, (_, index) => {
      const socket = new RawSocket(port)
      socket.send(`PUT /v2/a/manifests/slow-${index} HTTP/1.1\r\n${host}Content-Length: 4000000\r\n\r\n`)
      socket.send(Buffer.alloc(1000, 'a'))
      return socket
    })
    const config = Buffer.from('{}')
    const digest = `sha256:${createHash('sha256').update(config).digest('hex')}`
    await fetch(`${server.url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: config })
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest, size: 2 },
      layers: [],
    })
    const put = await fetch(`${server.url}/v2/a/manifests/quick`, {
      method: 'PUT',
      body,
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
      signal: AbortSignal.timeout(15_000),
    })
    assert.equal(put.status, 201)
    for (const socket of slow) socket.close()
  })

  test('100 Continue comes only for a request that is taken', async () => {
    const good = new RawSocket(port)
    const digest = `sha256:${createHash('sha256').update('hello').digest('hex')}`
    good.send(
      `POST /v2/a/blobs/uploads/?digest=${digest} HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
    )
    assert.equal((await good.reply())?.status, 100)
    good.send('hello')
    assert.equal((await good.reply())?.status, 201)
    good.close()
    const bad = new RawSocket(port)
    bad.send(
      `POST /v2/a/blobs/uploads/?digest=sha256:no HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`,
    )
    assert.equal((await bad.reply())?.status, 400)
    bad.close()
  })

  test('a client that stops in its headers, or in its body, is let go; what came of an upload is kept', async () => {
    const slow = new RawSocket(port)
    slow.send(`GET /v2/ HTTP/1.1\r\n${host}X: `)
    const opened = await fetch(`${server.url}/v2/a/blobs/uploads/`, { method: 'POST' })
    const location = opened.headers.get('location') ?? ''
    const stuck = new RawSocket(port)
    stuck.send(`PATCH ${location} HTTP/1.1\r\n${host}Content-Length: 100000\r\n\r\n`)
    stuck.send(randomBytes(50_000))
    await Promise.all([slow.ended(), stuck.ended()])
    let range = ''
    for (let attempt = 0; attempt < 50 && range !== '0-49999'; attempt++) {
      range = (await fetch(`${server.url}${location}`)).headers.get('range') ?? ''
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.equal(range, '0-49999')
  })

  test('a connection without a request is kept for long; one whose request stalls is not', async () => {
    const kept = new RawSocket(port)
    const ping = `GET /v2/ HTTP/1.1\r\n${host}\r\n`
    kept.send(ping)
    assert.equal((await kept.reply())?.status, 200)
    await new Promise((resolve) => setTimeout(resolve, 3500))
    kept.send(ping)
    assert.equal((await kept.reply())?.status, 200)
    kept.send(
      `POST /v2/a/blobs/uploads/?digest=sha256:${'a'.repeat(64)} HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\n`,
    )
    const started = performance.now()
    await kept.ended()
    assert.ok(performance.now() - started < 6000)
  })

  test('a truncated body is resumed where it ended', async () => {
    const content = randomBytes(200_000)
    const opened = await fetch(`${server.url}/v2/a/blobs/uploads/`, { method: 'POST' })
    const location = opened.headers.get('location') ?? ''
    const cut = new RawSocket(port)
    cut.send(`PATCH ${location} HTTP/1.1\r\n${host}Content-Range: 0-199999\r\nContent-Length: 200000\r\n\r\n`)
    cut.send(content.subarray(0, 123_456))
    await new Promise((resolve) => setTimeout(resolve, 200))
    // A second request makes the first, which is stuck, release the upload.
    const taken = await fetch(`${server.url}${location}`, {
      method: 'PATCH',
      headers: { 'content-range': '123456-199999' },
      body: content.subarray(123_456),
    })
    assert.equal(taken.status, 202)
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
    assert.equal((await fetch(`${server.url}${location}?digest=${digest}`, { method: 'PUT' })).status, 201)
    cut.close()
  })

  test('it has not grown', () => {
    const memory = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]
    assert.ok(Number(memory) < 400_000, `${memory} kB`)
  })
})

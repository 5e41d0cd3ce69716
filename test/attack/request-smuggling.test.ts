import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { RawSocket } from '../http/raw-socket.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'

// A proxy before the registry may read such a request differently: another one of two headers, or another end of the
// body. The registry therefore refuses it and answers nothing that follows on the connection.

const host = 'Host: localhost\r\n'
const digest = `sha256:${'a'.repeat(64)}`
const upload = '/v2/a/blobs/uploads/x'
const hidden = `GET /v2/hidden/tags/list HTTP/1.1\r\n${host}\r\n`

const ambiguous: Readonly<Record<string, string>> = {
  'two Authorization': `GET /v2/ HTTP/1.1\r\n${host}Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n`,
  'two Authorization, in other letters': `GET /v2/ HTTP/1.1\r\n${host}AUTHORIZATION: Bearer a\r\nauthorization: Bearer a\r\n\r\n`,
  'two Host': `GET /v2/ HTTP/1.1\r\n${host}Host: 127.0.0.1\r\n\r\n`,
  'two equal Host': `GET /v2/ HTTP/1.1\r\n${host}${host}\r\n`,
  'two Content-Type': `PUT /v2/a/manifests/x HTTP/1.1\r\n${host}Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 2\r\n\r\n{}`,
  'two Content-Range': `PATCH ${upload} HTTP/1.1\r\n${host}Content-Range: 0-1\r\nContent-Range: 2-3\r\nContent-Length: 2\r\n\r\nab`,
  'two Range': `GET /v2/a/blobs/${digest} HTTP/1.1\r\n${host}Range: bytes=0-1\r\nRange: bytes=2-3\r\n\r\n`,
  'two If-Range': `GET /v2/a/blobs/${digest} HTTP/1.1\r\n${host}If-Range: "a"\r\nIf-Range: "b"\r\n\r\n`,
  'two Expect': `PUT ${upload} HTTP/1.1\r\n${host}Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`,
  'two Content-Length': `PATCH ${upload} HTTP/1.1\r\n${host}Content-Length: 2\r\nContent-Length: 2\r\n\r\nab`,
  'two different Content-Length': `PATCH ${upload} HTTP/1.1\r\n${host}Content-Length: 2\r\nContent-Length: 30\r\n\r\nab`,
  'Content-Length as a list': `PATCH ${upload} HTTP/1.1\r\n${host}Content-Length: 2, 2\r\n\r\nab`,
  'Content-Length with a sign': `PATCH ${upload} HTTP/1.1\r\n${host}Content-Length: +2\r\n\r\nab`,
  'Content-Length beside Transfer-Encoding': `PATCH ${upload} HTTP/1.1\r\n${host}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding beside Content-Length': `PATCH ${upload} HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding: gzip, chunked': `PATCH ${upload} HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding: chunked, chunked': `PATCH ${upload} HTTP/1.1\r\n${host}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding: chunked, identity': `PATCH ${upload} HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding: gzip': `PATCH ${upload} HTTP/1.1\r\n${host}Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding: xchunked': `PATCH ${upload} HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  'two Transfer-Encoding': `PATCH ${upload} HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'Transfer-Encoding in HTTP/1.0': `PATCH ${upload} HTTP/1.0\r\n${host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  'a folded line': `GET /v2/ HTTP/1.1\r\n${host}Authorization: Bearer a\r\n b\r\n\r\n`,
  'a folded first line': `GET /v2/ HTTP/1.1\r\n ${host}\r\n`,
  'a space before the colon': `PATCH ${upload} HTTP/1.1\r\n${host}Content-Length : 2\r\n\r\nab`,
  'a lone LF': `GET /v2/ HTTP/1.1\r\n${host}A: b\nContent-Length: 40\r\n\r\n`,
  'a lone CR': `GET /v2/ HTTP/1.1\r\n${host}A: b\rContent-Length: 40\r\n\r\n`,
  'lines that end in LF': 'GET /v2/ HTTP/1.1\nHost: localhost\n\n',
  'a NUL': `GET /v2/ HTTP/1.1\r\n${host}A: b\0c\r\n\r\n`,
  'a chunk size with a sign': `PATCH ${upload} HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n`,
  'a target of another host': `GET http://other.example/v2/ HTTP/1.1\r\n${host}\r\n`,
  'a target with a user': `GET http://localhost@other.example/v2/ HTTP/1.1\r\n${host}\r\n`,
  ...Object.fromEntries(
    [
      '',
      'localhost, 127.0.0.1',
      'localhost 127.0.0.1',
      'user@localhost',
      'localhost/v2',
      'localhost:80:81',
      'http://localhost',
      'localhost:x',
      '[::1',
      'a\u00e9',
    ].map((value) => [`Host: ${value}`, `GET /v2/ HTTP/1.1\r\nHost: ${value}\r\n\r\n`] as const),
  ),
}

suite('requests that can be read in two ways', { timeout: 60_000 }, () => {
  let server: ServerProcess
  let folder = ''

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-smuggling-'))
    server = await startedServer({ data: join(folder, 'data'), args: ['--workers', '1'] })
  })
  after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const ask = (text: string): RawSocket => {
    const socket = new RawSocket(Number(new URL(server.url).port))
    socket.send(Buffer.from(text, 'latin1'))
    return socket
  }

  for (const [what, text] of Object.entries(ambiguous)) {
    test(what, async () => {
      const socket = ask(text + hidden)
      const reply = await socket.reply()
      assert.equal(reply?.status, 400, reply?.head ?? 'no reply')
      const { errors } = JSON.parse(reply?.body ?? '{}') as { errors: { code: string; detail: string }[] }
      assert.equal(errors[0]?.code, 'REQUEST_INVALID')
      assert.equal(await socket.reply(), undefined, 'what stood behind it was answered')
      socket.close()
    })
  }

  test('one of each is no ambiguity', async () => {
    for (const text of [
      `GET http://LOCALHOST/v2/ HTTP/1.1\r\n${host}Authorization: Bearer a\r\nX-Forwarded-For: a\r\nX-Forwarded-For: b\r\n\r\n`,
      `GET /v2/ HTTP/1.1\r\nHost: [::1]:5000\r\nAccept: a/b\r\nAccept: c/d\r\n\r\n`,
      'GET /v2/ HTTP/1.0\r\n\r\n',
    ]) {
      const socket = ask(text)
      assert.equal((await socket.reply())?.status, 200, text)
      socket.close()
    }
    const socket = ask(
      `POST /v2/a/blobs/uploads/ HTTP/1.1\r\n${host}Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n`,
    )
    assert.equal((await socket.reply())?.status, 202)
    socket.close()
  })
})

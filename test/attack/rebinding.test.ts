import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { RawSocket } from '../http/raw-socket.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'

suite('a web page that points its own name at 127.0.0.1', { timeout: 60_000 }, () => {
  let server: ServerProcess
  let folder = ''
  let metrics = 0

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trow-rebinding-'))
    metrics = await freePort()
    const args = [
      '--workers',
      '1',
      '--token-hosts',
      'registry.example:5000',
      '--metrics-listen',
      `127.0.0.1:${metrics}`,
    ]
    server = await startedServer({ data: join(folder, 'data'), args })
  })
  after(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const statusOf = async (
    port: number,
    path: string,
    host: string,
    method = 'GET',
  ): Promise<number | undefined> => {
    const socket = new RawSocket(port)
    socket.send(`${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`)
    const reply = await socket.reply()
    socket.close()
    if (reply?.status === 421 && path !== '/metrics')
      assert.match(reply.body, /"REQUEST_INVALID".*--token-hosts/)
    return reply?.status
  }

  test('is answered by no route', async () => {
    const port = Number(new URL(server.url).port)
    for (const host of [
      'evil.example',
      'evil.example:8000',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'xn--localhost',
    ]) {
      for (const path of ['/v2/', '/v2/_catalog', '/livez', '/none'])
        assert.equal(await statusOf(port, path, host), 421)
      assert.equal(await statusOf(port, '/v2/a/blobs/uploads/', host, 'POST'), 421)
      assert.equal(await statusOf(metrics, '/metrics', host), 421)
    }
  })

  test('addresses, localhost, the names of Docker and those of --token-hosts go on', async () => {
    const port = Number(new URL(server.url).port)
    const hosts = [
      '127.0.0.1',
      '127.8.8.8:1',
      '[::1]:5000',
      '10.0.0.1',
      'localhost',
      'LOCALHOST:8000',
      'localhost.',
    ]
    for (const host of [...hosts, 'host.docker.internal:5000', 'registry.example', 'registry.example:8443']) {
      assert.equal(await statusOf(port, '/v2/', host), 200, host)
      assert.equal(await statusOf(metrics, '/metrics', host), 200, host)
    }
  })
})

import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { after, before, suite, test } from 'node:test'
import { fetchJson } from '../../src/access/json-fetch.ts'

suite('fetching JSON', () => {
  let server: Server
  let origin = ''
  before(async () => {
    server = createServer((request, response) => {
      if (request.url === '/good?a=1') response.end('{"a":[1]}')
      else if (request.url === '/moved') response.writeHead(302, { location: '/good?a=1' }).end()
      else if (request.url === '/huge') response.end(`"${'x'.repeat(1024 * 1024)}"`)
      else if (request.url === '/html') response.end('<html>')
      else response.writeHead(500).end('{}')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  })
  after(() => new Promise((resolve) => server.close(resolve)))

  test('a document is given as it is', async () => {
    assert.deepEqual(await fetchJson(`${origin}/good?a=1`), { a: [1] })
  })

  test('anything else is refused: another status, a redirect, too much, no JSON, nobody there', async () => {
    for (const [path, expected] of [
      ['/error', /answered 500/],
      ['/moved', /answered 302/],
      ['/huge', /more than/],
      ['/html', /JSON/],
    ] as const)
      await assert.rejects(fetchJson(`${origin}${path}`), expected, path)
    await assert.rejects(fetchJson('http://127.0.0.1:9/'))
  })

  test('plain http goes to this machine only', async () => {
    await assert.rejects(fetchJson('http://example.com/'), /https/)
    await assert.rejects(fetchJson('http://127.0.0.1.example.com/'), /https/)
    await assert.rejects(fetchJson('file:///etc/passwd'), /https/)
  })
})

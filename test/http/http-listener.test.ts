import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { TrustedProxies } from '../../src/http/client-address.ts'
import { HttpListener } from '../../src/http/http-listener.ts'
import { route, type Route } from '../../src/http/route.ts'
import { Router } from '../../src/http/router.ts'
import type { Surface } from '../../src/http/surface.ts'
import { OciError } from '../../src/oci/oci-error.ts'

interface Listening extends AsyncDisposable {
  readonly url: string
  readonly listener: HttpListener
  readonly logged: string[]
}

async function listen(routes: readonly Route[], more: Partial<Surface> = {}): Promise<Listening> {
  const router = new Router(routes)
  const logged: string[] = []
  const log = { debug() {}, info() {}, warn() {}, error: (message: string) => void logged.push(message) }
  const listener = new HttpListener({
    surface: {
      find: (path) => router.find(path),
      admit: () => undefined,
      refuse: ({ status, message }) => ({ status, headers: ['X-Kind', 'mine'], body: `no: ${message}` }),
      ...more,
    },
    log,
    replies: undefined,
    proxies: new TrustedProxies([]),
    hosts: undefined,
    idleTimeout: 10_000,
    tls: undefined,
    certificates: false,
    accessLog: undefined,
    idPrefix: 'test',
    now: Date.now,
  })
  const address = await listener.listen({ host: '127.0.0.1', port: 0 })
  return {
    url: `http://127.0.0.1:${address?.port}`,
    listener,
    logged,
    [Symbol.asyncDispose]: () => listener.close(0),
  }
}

const hello = route(['GET'], '/hello', 'none', () => ({ status: 200, headers: [], body: 'hello' }))

suite('a listener with a surface that is no registry', () => {
  test('all that it answers is of the surface: replies, and refusals of every kind', async () => {
    await using server = await listen([
      hello,
      route(['GET'], '/refused', 'none', () => {
        throw new OciError('DENIED', 'not you')
      }),
      route(['GET'], '/broken', 'none', () => {
        throw new TypeError('a bug')
      }),
    ])
    const found = await fetch(`${server.url}/hello`)
    assert.equal(await found.text(), 'hello')
    assert.equal(found.headers.get('docker-distribution-api-version'), null)
    for (const [path, method, status, text] of [
      ['/nothing', 'GET', 404, 'no: there is nothing under this path'],
      ['/hello', 'PUT', 405, 'no: the method is not allowed here'],
      ['/refused', 'GET', 403, 'no: not you'],
      ['/broken', 'GET', 500, 'no: the registry failed'],
    ] as const) {
      const refused = await fetch(server.url + path, { method })
      assert.equal(refused.status, status, path)
      assert.equal(refused.headers.get('x-kind'), 'mine', path)
      assert.equal(await refused.text(), text)
    }
    assert.deepEqual(server.logged, ['a request failed'])
  })

  test('who is not admitted never reaches a handler, and answered is told of who is', async () => {
    let calls = 0
    const answered: number[] = []
    const count = route(['GET'], '/count', 'none', () => ({
      status: 200,
      headers: [],
      body: String(++calls),
    }))
    await using server = await listen([count], {
      admit: async ({ request }) => {
        if (request.header('x-pass') !== 'yes') throw new OciError('DENIED', 'no pass')
      },
      answered: (_, { status }) => void answered.push(status),
    })
    assert.equal((await fetch(`${server.url}/count`)).status, 403)
    assert.equal(calls, 0)
    assert.equal((await fetch(`${server.url}/count`, { headers: { 'x-pass': 'yes' } })).status, 200)
    assert.deepEqual(answered, [200])
  })

  test('while it winds down what begins work is refused, all else goes on', async () => {
    let told = 0
    await using server = await listen(
      [hello, route(['POST'], '/work', 'none', () => ({ status: 201, headers: [] }))],
      {
        beginsWork: (_endpoint, _route, method) => method === 'POST',
        windDown: () => void told++,
      },
    )
    const work = (): Promise<number> =>
      fetch(`${server.url}/work`, { method: 'POST' }).then(({ status }) => status)
    assert.equal(await work(), 201)
    await server.listener.windDown()
    assert.equal(told, 1)
    assert.equal(await work(), 503)
    assert.equal((await fetch(`${server.url}/hello`)).status, 200)
  })
})

test('the router refuses a pattern whose values it would take literally', () => {
  const page = route(['GET'], '/console/<name>', 'none', () => ({ status: 200, headers: [] }))
  assert.throws(() => new Router([page]), /values stand only behind \/v2\/<name>\/: \/console\/<name>/)
})

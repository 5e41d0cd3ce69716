import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import { connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { Agent, type Dispatcher } from 'undici'
import { Http1Agent, Http1ProxyAgent } from '../src/http1-agent.ts'
import { issue } from './support/self-signed.ts'

suite('to a server that prefers HTTP/2', () => {
  let ca = ''
  let origin = ''
  let server: Server
  before(async () => {
    const { cert, key } = await issue('here', new Date(Date.now() + 3_600_000))
    ca = cert
    server = createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
      if (request.url === '/moved') response.writeHead(302, { location: '/' }).end()
      else response.end(request.httpVersion)
    })
    origin = `https://127.0.0.1:${await portOf(server)}`
  })
  after(() => void server.close())

  test('an agent of undici alone would speak HTTP/2', async () => {
    assert.equal(await versionSpokenBy(new Agent({ connect: { ca } })), '2.0')
  })

  test('an agent speaks HTTP/1.1', async () => {
    assert.equal(await versionSpokenBy(new Http1Agent({ connect: { ca } })), '1.1')
  })

  test('so does one without a proxy in the environment, which follows a redirect', async () => {
    const agent = new Http1ProxyAgent({ connect: { ca }, noProxy: '*' })
    assert.equal(await versionSpokenBy(agent, '/moved', agent.following(1)), '1.1')
  })

  test('so does one by way of a proxy', async () => {
    const tunnels: string[] = []
    const proxy = createServer().on('connect', (request, socket: Socket) => {
      tunnels.push(request.url ?? '')
      const onward = connect(Number(new URL(origin).port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
        socket.pipe(onward).pipe(socket)
      })
      for (const each of [socket, onward]) each.on('error', () => undefined)
    })
    const httpsProxy = `http://127.0.0.1:${await portOf(proxy)}`
    const agent = new Http1ProxyAgent({ requestTls: { ca }, httpsProxy, noProxy: '' })
    const spoken = await versionSpokenBy(agent)
    proxy.close()
    assert.equal(spoken, '1.1')
    assert.deepEqual(tunnels, [new URL(origin).host])
  })

  async function versionSpokenBy(
    agent: Dispatcher,
    path = '/',
    asked: Pick<Dispatcher, 'request'> = agent,
  ): Promise<string> {
    try {
      const { body } = await asked.request({ origin, path, method: 'GET' })
      return await body.text()
    } finally {
      await agent.destroy()
    }
  }
})

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { EndpointPool } from '../../src/agent/endpoint-pool.ts'
import { LoopbackProxy } from '../../src/agent/loopback-proxy.ts'
import { Authority } from '../support/certificate-authority.ts'
import { startedServer, type ServerProcess } from '../support/server-process.ts'

/** containerd's limit for a TLS handshake, milliseconds. */
const patience = 10_000

suite('a registry that is frozen', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-frozen-'))
  const servers: ServerProcess[] = []
  let proxy: LoopbackProxy
  const pool = new EndpointPool({ node: 'n1', now: () => Date.now(), random: () => 0.5 })

  before(async () => {
    await Authority.create(folder)
    for (const name of ['one', 'two']) {
      servers.push(
        await startedServer({
          data: join(folder, name),
          args: ['--workers', '1', '--tls-auto', '--tls-ca', folder],
        }),
      )
    }
    // The registry that will be frozen is on the proxy's own node, and so comes first.
    pool.setEndpoints(
      servers.map(({ url }, index) => {
        const { hostname: host, port } = new URL(url)
        return { host, port: Number(port), node: `n${index + 1}`, ready: true, serving: true }
      }),
    )
    proxy = await LoopbackProxy.listen(0, pool)
  })
  after(async () => {
    const [frozen] = servers
    if (frozen !== undefined) process.kill(frozen.pid, 'SIGCONT')
    await proxy.close(0)
    await Promise.all(servers.map(async (server) => server.stop()))
    rmSync(folder, { recursive: true, force: true })
  })

  async function ask(): Promise<number> {
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          host: '127.0.0.1',
          port: proxy.port,
          path: '/v2/',
          agent: false,
          ca: readFileSync(join(folder, 'ca.crt')),
        },
        (answer) => {
          answer.resume()
          resolve(answer.statusCode ?? 0)
        },
      )
      asked.setTimeout(patience, () => asked.destroy(new Error('no TLS handshake within 10 s')))
      asked.once('error', reject)
      asked.end()
    })
  }

  test('costs no request where there is a second one, and takes part again when it goes on', async () => {
    const [frozen] = servers
    assert.ok(frozen)
    assert.equal(await ask(), 200)
    process.kill(frozen.pid, 'SIGSTOP')
    const began = performance.now()
    assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [200, 200, 200])
    assert.ok(performance.now() - began < patience)
    assert.equal(await ask(), 200)
    process.kill(frozen.pid, 'SIGCONT')
    pool.setEndpoints(pool.endpoints.slice(0, 1))
    assert.equal(await ask(), 200, 'the first alone')
  })

  test('answers late rather than not at all where there is no second one', async () => {
    const [frozen] = servers
    assert.ok(frozen)
    pool.setEndpoints(pool.endpoints.slice(0, 1))
    process.kill(frozen.pid, 'SIGSTOP')
    setTimeout(() => process.kill(frozen.pid, 'SIGCONT'), 4000)
    assert.equal(await ask(), 200)
  })
})

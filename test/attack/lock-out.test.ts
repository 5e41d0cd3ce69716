import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request as send } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { passwords, startGated, type GatedServer } from '../support/gated-server.ts'
import { basic, exchange } from '../support/ways.ts'
import { startedServer } from '../support/server-process.ts'
import {
  forged,
  issuer,
  startInCluster,
  startSigningCluster,
  type SigningCluster,
} from './signing-cluster.ts'

const later = Math.floor(Date.now() / 1000) + 3600

/** The status of a request from an address of loopback. */
function statusOf(
  url: string,
  {
    path = '/v2/',
    authorization,
    from = '127.0.0.1',
  }: { path?: string; authorization?: string; from?: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization }
    const request = send(`${url}${path}`, { localAddress: from, agent: false, headers }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    request.on('error', reject)
    request.end()
  })
}

async function all(count: number, one: (index: number) => Promise<number>): Promise<number[]> {
  const statuses: number[] = []
  for (let first = 0; first < count; first += 20)
    statuses.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(20, count - first) }, (_, index) => one(first + index)),
      )),
    )
  return statuses
}

suite('tokens of strangers', { timeout: 120_000 }, () => {
  let cluster: SigningCluster
  let gated: GatedServer
  const folder = mkdtempSync(join(tmpdir(), 'trow-lock-out-'))
  before(async () => {
    cluster = await startSigningCluster()
    gated = await startInCluster(cluster, folder, { 'api-server-tokens': true })
  })
  after(async () => {
    await gated.close()
    await cluster.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const bearer = (token: string, from?: string): Promise<number> =>
    statusOf(gated.url, { authorization: `Bearer ${token}`, ...(from === undefined ? {} : { from }) })

  test('forged, expired and unreadable ones cost the API server no question, and hold up no valid one', async () => {
    assert.equal(await bearer(await cluster.token()), 200)
    const asked = cluster.reviewed.length
    const kinds = [
      (n: number) => forged({ iss: issuer, aud: ['trow'], exp: later, n }),
      (n: number) => forged({ iss: issuer, aud: ['trow'], exp: 1, n }),
      (n: number) => forged(`{"n":${n}`),
      (n: number) => forged({ iss: issuer, aud: ['trow'], exp: later, n }, { alg: 'none' }),
      (n: number) =>
        forged({ iss: issuer, aud: ['trow'], exp: later, n }, { alg: 'HS256', kid: 'cluster-1' }),
    ]
    const statuses = await all(200, (n) => bearer(kinds[n % kinds.length]?.(n) ?? ''))
    assert.ok(statuses.every((status) => status === 401))
    assert.equal(cluster.reviewed.length, asked)
    for (let count = 0; count < 10; count++) assert.equal(await bearer(await cluster.token()), 200)
    assert.equal(cluster.reviewed.length, asked + 10)
  })

  test('of issuers, keys and forms that nobody here knows only so many reach the API server; valid ones pass', async () => {
    assert.equal(await bearer('k8s-aws-v1.right', '127.0.0.7'), 200)
    const asked = cluster.reviewed.length
    const kinds = [
      (n: number) => forged({ iss: 'https://elsewhere', aud: ['trow'], exp: later, n }),
      (n: number) =>
        forged({ iss: issuer, aud: ['trow'], exp: later, n }, { alg: 'RS256', kid: `other-${n}` }),
      (n: number) => `k8s-aws-v1.wrong-${n}`,
    ]
    const statuses = await all(400, (n) =>
      bearer(kinds[n % kinds.length]?.(n) ?? '', `127.0.2.${1 + (n % 40)}`),
    )
    assert.ok(statuses.includes(429))
    assert.ok(cluster.reviewed.length - asked < 200, `${cluster.reviewed.length - asked} questions`)
    assert.equal(await bearer(await cluster.token()), 200)
    assert.equal(await bearer(await cluster.token(), '127.0.2.1'), 200, 'from an attacking address')
    assert.equal(await bearer(`k8s-aws-v1.right`, '127.0.0.7'), 200, 'from where one was right before')
  })

  test("a stranger's random repositories are bounded too, and answered as a denial", async () => {
    const open = '/v2/public/app/tags/list'
    assert.equal(await statusOf(gated.url, { path: open }), 404)
    const asked = cluster.asked.length
    const statuses = await all(600, (n) => statusOf(gated.url, { path: `/v2/r${n}/x/tags/list` }))
    assert.ok(statuses.every((status) => status === 401))
    assert.ok(cluster.asked.length - asked < 250, `${cluster.asked.length - asked} questions`)
    assert.equal(await statusOf(gated.url, { path: open }), 404, 'what was open is open')
    const authorization = `Bearer ${await cluster.token()}`
    assert.equal(await statusOf(gated.url, { path: '/v2/r1/x/tags/list', authorization }), 404)
  })
})

test('where the keys of the cluster cannot be read, its tokens share the rate of unknown ones', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'trow-lock-out-'))
  const cluster = await startSigningCluster({ keys: false })
  const gated = await startInCluster(cluster, folder)
  try {
    const bearer = async (token: string, from: string): Promise<number> =>
      statusOf(gated.url, { authorization: `Bearer ${token}`, from })
    assert.equal(await bearer(await cluster.token(), '127.0.0.8'), 200)
    const made = (n: number): string => forged({ iss: issuer, aud: ['trow'], exp: later, n })
    const statuses = await all(300, (n) => bearer(made(n), `127.0.3.${1 + (n % 30)}`))
    assert.ok(statuses.includes(429))
    assert.equal(await bearer(await cluster.token(), '127.0.0.8'), 200, 'from where one was right before')
    assert.match(gated.server.output(), /system:service-account-issuer-discovery/)
  } finally {
    await gated.close()
    await cluster.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

suite('a name under attack', { timeout: 120_000 }, () => {
  let gated: GatedServer
  before(async () => {
    gated = await startGated({}, ['--workers', '2'])
  })
  after(() => gated.close())
  const login = (name: string, password: string, from: string): Promise<number> =>
    statusOf(gated.url, { authorization: basic(name, password), from })
  const attack = (): Promise<number[]> =>
    all(80, (n) => login('pusher', `guess-${n}`, `127.0.4.${1 + (n % 80)}`))

  test('lets in addresses that it was used from with success, also after a restart', async () => {
    assert.equal(await login('pusher', passwords.pusher, '127.0.0.5'), 200)
    assert.ok((await attack()).includes(429))
    assert.equal(await login('pusher', passwords.pusher, '127.0.0.6'), 429, 'an address that nobody knows')
    assert.equal(await login('pusher', passwords.pusher, '127.0.0.5'), 200)
    await gated.server.stop()
    const server = await startedServer({
      data: gated.data,
      args: ['--config', join(gated.folder, 'trow.yaml'), '--workers', '2'],
    })
    gated = { ...gated, server, url: server.url, close: () => server.stop() }
    assert.ok((await attack()).includes(429))
    assert.equal(await login('pusher', passwords.pusher, '127.0.0.5'), 200, 'remembered on disk')
  })

  test('a known address is no way to guess: there each name still waits after three', async () => {
    const statuses: number[] = []
    for (let n = 0; n < 6; n++) statuses.push(await login('pusher', `wrong-${n}`, '127.0.0.5'))
    assert.ok(statuses.includes(429))
    assert.equal(await login('pusher', passwords.pusher, '127.0.0.5'), 200, 'and the right one passes')
  })

  test('one address that fills the queue of password hashes leaves room for others', async () => {
    const statuses = Promise.all(Array.from({ length: 90 }, (_, n) => login(`nobody-${n}`, 'x', '127.0.5.1')))
    assert.equal(await login('puller', passwords.puller, '127.0.0.6'), 200)
    await statuses
    const headers = { authorization: basic('admin', passwords.admin) }
    assert.equal((await exchange(gated.url, { method: 'GET', path: '/v2/', headers })).status, 200)
  })
})

import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { runTrow } from '../support/server-process.ts'
import { passwords, startGated, type GatedServer } from '../support/gated-server.ts'
import {
  checkCatalogue,
  checkCells,
  checkMount,
  rights,
  seed,
  sha256,
  type Content,
  type Role,
} from '../support/access-matrix.ts'
import { basic, exchange, getToken, postToken, waysOfPassword, wayWith } from '../support/ways.ts'

suite('who may do what, cell by cell', () => {
  let gated: GatedServer
  let content: Content
  let secret: Content
  before(async () => {
    gated = await startGated()
    const [admin] = waysOfPassword(gated.url, 'admin', passwords.admin)
    assert.ok(admin)
    content = await seed(admin, 'team/app')
    await seed(admin, 'public/app')
    secret = await seed(admin, 'secret/app')
  })
  after(() => gated.close())

  for (const [name, word] of Object.entries(passwords)) {
    test(`${name}, by each way of a password`, async (context) => {
      const role: Role = { name, known: true, rights: rights[name as keyof typeof rights] }
      let cells = 0
      for (const way of waysOfPassword(gated.url, name, word)) {
        cells += await checkCells(way, role, { real: 'team/app', absent: 'team/xyz', content })
        cells += await checkCatalogue(way, role, { real: 'team/app' })
        if (name !== 'admin') {
          const none: Role = { name, known: true, rights: rights.nobody }
          cells += await checkCells(way, none, { real: 'secret/app', absent: 'secret/xyz', content: secret })
        }
      }
      context.diagnostic(`${cells} cells`)
    })
  }

  test('anonymous, without and with a token', async (context) => {
    const url = gated.url
    const token = (scope: string): Promise<Record<string, string>> =>
      getToken(url, `&scope=${encodeURIComponent(scope)}`).then((reply) => ({
        authorization: `Bearer ${reply.token}`,
      }))
    const ways = [wayWith('nothing', url, () => ({})), wayWith('an anonymous token', url, token)]
    let cells = 0
    for (const way of ways) {
      const none: Role = { name: 'anonymous', known: false, rights: rights.nobody }
      const some: Role = { name: 'anonymous', known: false, rights: rights.puller }
      cells += await checkCells(way, none, { real: 'team/app', absent: 'team/xyz', content })
      cells += await checkCells(way, some, { real: 'public/app', absent: 'public/xyz', content })
    }
    context.diagnostic(`${cells} cells`)
  })

  test('a robot, within its grants only', async (context) => {
    const { url, data } = gated
    const made = await runTrow([
      'robot',
      'create',
      'ci',
      '--data',
      data,
      '-o',
      'json',
      '--repository',
      'team/**',
      '--action',
      'pull',
      '--action',
      'push',
      '--action',
      'list',
    ])
    assert.equal(made.code, 0, made.output)
    const { username, password: word } = JSON.parse(made.output) as { username: string; password: string }
    let cells = 0
    for (const way of waysOfPassword(url, username, word)) {
      const role: Role = { name: 'robot', known: true, rights: rights.pusher }
      cells += await checkCells(way, role, { real: 'team/app', absent: 'team/xyz', content })
      const none: Role = { name: 'robot', known: true, rights: rights.nobody }
      cells += await checkCells(way, none, { real: 'secret/app', absent: 'secret/xyz', content: secret })
    }
    context.diagnostic(`${cells} cells`)
  })

  test('a mount needs pull on its source', async () => {
    const [pusher] = waysOfPassword(gated.url, 'pusher', passwords.pusher)
    const [admin] = waysOfPassword(gated.url, 'admin', passwords.admin)
    assert.ok(pusher && admin)
    const own = { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' } }
    const hidden = sha256('only in secret')
    const path = `/v2/secret/app/blobs/uploads/?digest=${hidden}`
    assert.equal((await admin.send({ ...own, path, body: 'only in secret' })).status, 201)
    await checkMount(pusher, { target: 'team/other', source: 'secret/app', digest: hidden }, false)
    await checkMount(pusher, { target: 'team/other', source: 'team/app', digest: content.blob }, true)
  })

  test('wrong credentials are refused everywhere, and never taken for nobody', async () => {
    const { url } = gated
    for (const authorization of [
      basic('admin', 'wrong'),
      basic('stranger', 'x'),
      'Bearer abc.def.ghi',
      'Bearer x',
      'Negotiate x',
    ]) {
      const reply = await exchange(url, {
        method: 'GET',
        path: '/v2/public/app/tags/list',
        headers: { authorization },
      })
      assert.ok([401, 429].includes(reply.status), `${authorization.split(' ')[0]}: ${reply.status}`)
    }
  })

  test('a refresh token is no access token, and an access token no refresh token', async () => {
    const { url } = gated
    const form = { grant_type: 'password', username: 'pusher', password: passwords.pusher }
    const issued = await postToken(url, {
      ...form,
      access_type: 'offline',
      scope: 'repository:team/app:pull,push,delete',
    })
    assert.equal(issued.scope, 'repository:team/app:pull,push', 'only what may be done is granted')
    const asAccess = await exchange(url, {
      method: 'GET',
      path: '/v2/team/app/tags/list',
      headers: { authorization: `Bearer ${issued.refresh_token}` },
    })
    assert.equal(asAccess.status, 401)
    const asRefresh = await exchange(url, {
      method: 'POST',
      path: '/token',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: `grant_type=refresh_token&service=trow&refresh_token=${issued.access_token}`,
    })
    assert.equal(asRefresh.status, 401)
  })
})

import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { passwords, startGated, type GatedServer } from '../support/gated-server.ts'
import { seed, type Content, type Received } from '../support/access-matrix.ts'
import { basic, exchange, getToken, postToken, wayWith } from '../support/ways.ts'

const auditPath = '/trow/v1/audit/query?limit=1'

suite('what a token opens', () => {
  let gated: GatedServer
  let content: Content
  const admin = basic('admin', passwords.admin)
  before(async () => {
    gated = await startGated({ 'audit-readers': ['admin'] })
    content = await seed(
      wayWith('admin', gated.url, () => ({ authorization: admin })),
      'a/b',
    )
  })
  after(() => gated.close())

  const tokenFor = async (...scopes: string[]): Promise<string> => {
    const query = scopes.map((scope) => `&scope=${encodeURIComponent(scope)}`).join('')
    return (await getToken(gated.url, query, admin)).token
  }
  const use = (token: string, method: string, path: string): Promise<Received> =>
    exchange(gated.url, { method, path, headers: { authorization: `Bearer ${token}` } })
  const assertNarrow = ({ status, headers, body }: Received, scope: string): void => {
    assert.equal(status, 401, body)
    const challenge = headers['www-authenticate'] ?? ''
    assert.match(challenge, /error="insufficient_scope"/)
    assert.ok(challenge.includes(`scope="${scope}"`), challenge)
  }

  test('a token for one repository opens no other one, and no other action', async () => {
    const token = await tokenFor('repository:a/b:pull,push')
    assert.equal((await use(token, 'GET', '/v2/a/b/tags/list')).status, 200)
    assert.equal((await use(token, 'POST', '/v2/a/b/blobs/uploads/')).status, 202)
    assertNarrow(await use(token, 'POST', '/v2/z/z/blobs/uploads/'), 'repository:z/z:pull,push')
    assertNarrow(await use(token, 'GET', '/v2/a/b/c/tags/list'), 'repository:a/b/c:pull')
    assert.equal((await use(token, 'GET', '/v2/a/b/_trow/manifests/untagged')).status, 200)
    assertNarrow(await use(token, 'GET', '/v2/a/c/_trow/manifests/untagged'), 'repository:a/c:pull')
    for (const history of [`manifests/history?digest=${content.manifest}`, 'tags/history?tag=t']) {
      assert.notEqual((await use(token, 'GET', `/v2/a/b/_trow/${history}`)).status, 401)
      assertNarrow(await use(token, 'GET', `/v2/a/c/_trow/${history}`), 'repository:a/c:pull')
      const push = await tokenFor('repository:a/b:push')
      assertNarrow(await use(push, 'GET', `/v2/a/b/_trow/${history}`), 'repository:a/b:pull')
    }
    const path = `/v2/a/b/manifests/${content.manifest}`
    assertNarrow(await use(token, 'DELETE', path), 'repository:a/b:delete')
    assertNarrow(await use(await tokenFor('repository:a/b:push'), 'GET', path), 'repository:a/b:pull')
  })

  test('the source of a mount is part of what it opens', async () => {
    const mount = `/v2/t/t/blobs/uploads/?mount=${content.blob}`
    const narrow = await tokenFor('repository:t/t:pull,push')
    const needed = 'repository:t/t:pull,push repository:a/b:pull'
    assertNarrow(await use(narrow, 'POST', `${mount}&from=a/b`), needed)
    assert.equal(
      (await use(narrow, 'POST', mount)).status,
      202,
      'a source that is not named is no way around',
    )
    const wide = await tokenFor('repository:t/t:pull,push', 'repository:a/b:pull')
    assert.equal((await use(wide, 'POST', `${mount}&from=a/b`)).status, 201)
  })

  test('without a scope it opens /v2/ only; the catalogue and the audit have scopes of their own', async () => {
    const token = await tokenFor()
    assert.equal((await use(token, 'GET', '/v2/')).status, 200)
    assertNarrow(await use(token, 'GET', '/v2/a/b/tags/list'), 'repository:a/b:pull')
    assertNarrow(await use(token, 'GET', '/v2/_catalog'), 'registry:catalog:*')
    assertNarrow(await use(token, 'GET', '/v2/_trow/repositories/figures'), 'registry:catalog:*')
    assertNarrow(await use(token, 'GET', auditPath), 'registry:audit:*')
    const wide = await use(await tokenFor('registry:catalog:*'), 'GET', '/v2/_catalog')
    assert.match(wide.body, /"a\/b"/)
    assert.equal((await use(await tokenFor('registry:audit:*'), 'GET', auditPath)).status, 200)
  })

  test('one token is never given for another scope, nor one of the form for what it did not ask for', async () => {
    const [one, two] = [await tokenFor('repository:a/b:pull'), await tokenFor('repository:a/c:pull')]
    assert.notEqual(one, two)
    assert.equal(await tokenFor('repository:a/b:pull'), one, 'an equal one is given again')
    const form = { grant_type: 'password', username: 'admin', password: passwords.admin }
    const { access_token: token } = await postToken(gated.url, { ...form, scope: 'repository:a/b:pull' })
    assert.equal((await use(token, 'GET', '/v2/a/b/tags/list')).status, 200)
    assertNarrow(await use(token, 'POST', '/v2/a/b/blobs/uploads/'), 'repository:a/b:pull,push')
  })

  test('a scope adds no right, and the credential itself is not bounded', async () => {
    const puller = basic('puller', passwords.puller)
    const { token } = await getToken(gated.url, '&scope=repository:a/b:pull,push,delete', puller)
    assert.equal((await use(token, 'GET', '/v2/a/b/tags/list')).status, 403)
    const shown = { method: 'GET', path: '/v2/a/b/tags/list', headers: { authorization: admin } }
    assert.equal((await exchange(gated.url, shown)).status, 200)
  })

  test('scopes that fit into no token are refused in words', async () => {
    const rows = [
      [90, 'x'.repeat(100)],
      [101, 'x'],
    ] as const
    for (const [count, name] of rows) {
      const many = Array.from({ length: count }, (_, n) => `repository:${name}/${n}:pull`).join(' ')
      const path = `/token?service=trow&scope=${encodeURIComponent(many)}`
      const reply = await exchange(gated.url, { method: 'GET', path, headers: { authorization: admin } })
      assert.equal(reply.status, 400, `${count} scopes`)
      assert.match(reply.body, /too many scopes.*one token for each repository/)
    }
  })
})

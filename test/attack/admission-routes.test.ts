import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { factsPath, recordsPath } from '../../src/http/admission-routes.ts'
import { startGated, passwords } from '../support/gated-server.ts'
import { basic } from '../support/ways.ts'
import { AdmissionInstall, pusher, reporter } from '../serve/admission-process.ts'

const question = JSON.stringify({ repository: 'team/app', reference: '1.0' })
const forged = JSON.stringify({
  events: [
    {
      kind: 'decision',
      id: 'forged',
      time: 1,
      user: 'mallory',
      groups: [],
      operation: 'CREATE',
      object: 'Pod/x',
      outcome: 'excepted',
      images: [],
      policy: [],
      tenants: [],
    },
  ],
})
const routes = [
  { path: factsPath, body: question },
  { path: recordsPath, body: forged },
] as const

suite('what only the admission pods may', () => {
  const install = new AdmissionInstall()

  before(async () => {
    await install.start()
    const { may } = install.api
    // Callers whose ClusterRole has a wildcard: a person, and the service account of a pod that does not belong to trow.
    install.api.may = (access) => access.user === 'cluster-admin' || may(access)
  })
  after(() => install[Symbol.asyncDispose]())

  for (const { path, body } of routes) {
    test(`${path}: no stranger, no other account, no person, whatever RBAC gives the person`, async () => {
      const nobody = await install.registryRequest('POST', path, { body })
      assert.equal(nobody.status, 401)
      const others = [
        pusher,
        'system:serviceaccount:trow:trow',
        'system:serviceaccount:other:trow-admission',
        'cluster-admin',
      ]
      for (const account of others) {
        const refused = await install.registryRequest('POST', path, { body, account })
        assert.equal(refused.status, 403, account)
        assert.equal(refused.code, 'DENIED', account)
      }
    })

    test(`${path}: no token of trow’s own, even one that the admission account has got`, async () => {
      const authorization = `Bearer ${install.token(reporter)}`
      const granted = await install.registryRequest('GET', '/token?service=trow&scope=registry:audit:*', {
        headers: { authorization },
      })
      const { token } = JSON.parse(granted.text) as { token: string }
      const headers = { authorization: `Bearer ${token}` }
      const refused = await install.registryRequest('POST', path, { body, headers })
      assert.equal(refused.status, 401)
    })

    test(`${path}: the admission account, once with each`, async () => {
      const answer = await install.registryRequest('POST', path, {
        body: path === factsPath ? body : '{"events":[]}',
        account: reporter,
      })
      assert.equal(answer.status, path === factsPath ? 200 : 204)
    })

    test(`${path}: nothing that is no question makes an error of the registry`, async () => {
      const wrong = [
        '',
        'null',
        '[]',
        '{}',
        '{"events":{}}',
        '{"events":[null]}',
        '{"events":[{"kind":"gap","id":"a","time":1,"count":-1,"since":1,"until":1}]}',
        '{"events":[{"kind":"gap","id":"a","time":1e300,"count":1,"since":1,"until":1}]}',
        '{"events":[{"kind":"gap","id":"../x","time":1,"count":1,"since":1,"until":1}]}',
        `{"events":[${'{},'.repeat(300)}{}]}`,
        '{"repository":"../x","reference":"1"}',
        '{"repository":"a","reference":{}}',
        '{"repository":"a","reference":"sha256:x"}',
        `${'['.repeat(4000)}`,
        'x'.repeat(2 * 1024 * 1024),
      ]
      for (const each of wrong) {
        const { status } = await install.registryRequest('POST', path, { body: each, account: reporter })
        assert.ok(status >= 400 && status < 500, `${status}: ${each.slice(0, 80)}`)
      }
    })
  }

  test('a forged record is nowhere, and who tried it is', async () => {
    assert.deepEqual(await install.audit('admission'), [])
    const denied = await install.audit('records')
    assert.ok(denied.some(({ data }) => data.actor.user === pusher))
  })

  test('a right to the one is none to the other', async () => {
    const { may } = install.api
    const account = 'system:serviceaccount:other:reader'
    install.api.may = (access) =>
      (access.user === account && access.resource === 'admission' && access.verb === 'get') || may(access)
    assert.equal((await install.registryRequest('POST', factsPath, { body: question, account })).status, 200)
    assert.equal((await install.registryRequest('POST', recordsPath, { body: forged, account })).status, 403)
  })
})

suite('a registry without a cluster', () => {
  test('has no admission pods', async () => {
    const gated = await startGated()
    try {
      for (const { path, body } of routes) {
        const headers = { authorization: basic('admin', passwords.admin) }
        const { status } = await fetch(`${gated.url}${path}`, { method: 'POST', body, headers })
        assert.equal(status, 404)
      }
    } finally {
      await gated.close()
    }
  })
})

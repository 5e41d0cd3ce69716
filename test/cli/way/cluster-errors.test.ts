import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { failure, jwt, reply, startFakeApiServer } from '../../support/fake-api-server.ts'
import { LoginFolder } from '../../support/login-folder.ts'
import { writeLayout } from './oci-layout.ts'

const resources = [
  { name: 'configmaps', kind: 'ConfigMap', namespaced: true, verbs: [] },
  { name: 'services', kind: 'Service', namespaced: true, verbs: [] },
]
const server = await startFakeApiServer(({ path }, response) => {
  if (path === '/api/v1') return reply(response, 200, { kind: 'APIResourceList', resources })
  if (path.includes('/configmaps/trow-ca'))
    return reply(response, 200, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'trow-ca', namespace: 'trow' },
      data: { 'ca.crt': 'none' },
    })
  if (path.includes('/services/')) return failure(response, 403, 'services is forbidden')
  return failure(response, 404, 'not found')
})
after(() => server.close())

suite('a registry in a cluster, of which somebody may read nothing but its CA', () => {
  let home: LoginFolder
  before(() => {
    home = new LoginFolder()
    const exp = Math.floor(Date.now() / 1000) + 3600
    home.kubeconfig(server.url, { token: jwt({ aud: ['trow'], exp }) })
  })
  after(() => home.remove())

  const taken = 'registry: trow.trow.svc (in the cluster of context "dev")\n'
  const refused = (): string =>
    `trow: ${server.url} answered 403: services is forbidden (CLUSTER_NOT_PERMITTED)\n` +
    '  Somebody who may has to let you: kubectl -n trow create rolebinding trow-client-you --role=trow-client --user=YOU\n'

  for (const args of [['list'], ['inspect', 'a/b:1'], ['rm', '-y', 'a/b:1'], ['audit', 'query']]) {
    test(`trow ${args.join(' ')} says what is missing, in the words of the cluster`, async () => {
      const { code, stderr } = await home.trow(...args)
      assert.equal(stderr, `${taken}${refused()}`)
      assert.equal(code, 77)
    })
  }

  test('trow push says it at once, and does not try again', async () => {
    const layout = join(home.path, 'layout')
    writeLayout(layout)
    const { code, stderr } = await home.trow('push', layout, 'b:1')
    assert.equal(stderr, `${taken}pushing to b:1\n${refused()}`)
    assert.equal(code, 77)
  })
})

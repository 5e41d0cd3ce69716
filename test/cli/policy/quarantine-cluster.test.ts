import assert from 'node:assert/strict'
import { hash } from '@node-rs/bcrypt'
import { after, before, suite, test } from 'node:test'
import { Agent, request } from 'undici'
import type { OpenClusterObjects } from '../../../src/cluster/kubernetes-objects.ts'
import { seed, type Content, type Way } from '../../support/access-matrix.ts'
import { checkResult } from '../../support/check-result.ts'
import { reply } from '../../support/fake-api-server.ts'
import { passwords, startGated, type GatedServer } from '../../support/gated-server.ts'
import { LoginFolder } from '../../support/login-folder.ts'
import { PolicyApi } from '../../support/policy-api.ts'
import { issue } from '../../support/self-signed.ts'
import { basic } from '../../support/ways.ts'

const namespace = '/api/v1/namespaces/trow'
const service = { ports: [{ port: 443, targetPort: 8443 }], selector: { app: 'trow' } }
const ready = { conditions: [{ type: 'Ready', status: 'True' }] }
const resources = ['configmaps ConfigMap', 'services Service', 'pods Pod'].map((each) => {
  const [name, kind] = each.split(' ')
  return { name, kind, namespaced: true }
})

/** What a cluster answers that has the registry in a pod. */
function objectsOf(ca: string): Readonly<Record<string, object>> {
  const metadata = { name: 'trow', namespace: 'trow' }
  const map = (data: object): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data })
  return {
    '/api/v1': { resources },
    [`${namespace}/configmaps/trow-ca`]: map({ 'ca.crt': ca }),
    [`${namespace}/configmaps/trow-install`]: map({}),
    [`${namespace}/services/trow`]: { apiVersion: 'v1', kind: 'Service', metadata, spec: service },
    [`${namespace}/pods`]: { metadata: { resourceVersion: '1' }, items: [{ metadata, status: ready }] },
    '/apis/authentication.k8s.io/v1/selfsubjectreviews': { status: { userInfo: { username: 'ada' } } },
    '/api/v1/pods': { metadata: { resourceVersion: '1' }, items: [] },
  }
}

/** Who may push. */
function adminOf(url: string, dispatcher: Agent): Way {
  const authorization = basic('admin', passwords.admin)
  return {
    name: 'admin',
    async send({ method, path, headers, body = null }) {
      const all = { ...headers, authorization }
      const answer = await request(`${url}${path}`, {
        method: method as 'PUT',
        headers: all,
        body,
        dispatcher,
      })
      return { status: answer.statusCode, headers: {}, body: await answer.body.text() }
    },
  }
}

/** A registry in a pod that somebody reaches through the API server, with the token of the kube context. */
suite('trow quarantine in a cluster', () => {
  const api = new PolicyApi()
  const home = new LoginFolder()
  const opened: GatedServer[] = []
  let objects: OpenClusterObjects
  let content: Content | undefined
  let dispatcher: Agent | undefined

  before(async () => {
    objects = await api.connect()
    home.kubeconfig(objects.server, { token: 'me' })
    const { cert, key } = await issue('trow.trow.svc', new Date(Date.now() + 3_600_000))
    const answers = objectsOf(cert)
    api.other = ({ path }, response) => {
      const object = answers[path.split('?')[0] ?? '']
      if (object !== undefined) reply(response, 200, object)
      return object !== undefined
    }
    const words = { admin: passwords.admin, trow: 'me' }
    const lines = Object.entries(words).map(async ([name, word]) => `${name}:${await hash(word, 4)}`)
    const htpasswd = home.write('htpasswd', `${(await Promise.all(lines)).join('\n')}\n`)
    const tls = ['--tls-cert', home.write('tls.crt', cert), '--tls-key', home.write('tls.key', key)]
    for (const readers of [['trow'], []])
      opened.push(await startGated({ htpasswd, 'audit-readers': readers }, tls))
    dispatcher = new Agent({ connect: { ca: cert } })
    content = await seed(adminOf(opened[0]?.url ?? '', dispatcher), 'team/app')
  })
  after(async () => {
    await dispatcher?.destroy()
    await Promise.all(opened.map((gated) => gated.close()))
    await objects.close()
    await api.close()
    home.remove()
  })

  const foretell = (...args: readonly string[]): ReturnType<LoginFolder['trow']> =>
    home.trow('quarantine', content?.config ?? '', '--dry-run', '--context', 'dev', ...args)
  const portOf = (gated: GatedServer | undefined): number => Number(new URL(gated?.url ?? '').port)

  test('asks the pod what a digest covers', async () => {
    api.forwardTo = portOf(opened[0])
    const { code, stdout, stderr } = await foretell()
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`covers\n.*\n +team/app +${content?.manifest} +with it as config`))
    assert.match(stdout, /nobody has pulled it in the last 30 days\n/)
    assert.match(stdout, /no running pod names it/)
    const { coverage } = checkResult('Quarantine', (await foretell('-o', 'json')).stdout)
    assert.ok(coverage !== undefined && 'holders' in coverage)
    assert.deepEqual(coverage.holders.map(({ manifest, as }) => [manifest, as]), [[content?.manifest, 'config']]) // prettier-ignore
  })

  test('says which role it takes where the pod does not tell', async () => {
    api.forwardTo = portOf(opened[1])
    const { code, stdout } = await foretell()
    assert.equal(code, 77)
    assert.match(stdout, /is not known: .*no right to read the audit.*\n.*--clusterrole=trow-auditor/)
  })

  test('says which role it takes where the API server opens no way to the pod', async () => {
    api.forwardTo = undefined
    const { code, stdout } = await foretell()
    assert.equal(code, 77)
    assert.match(stdout, /is not known: .*\n.*--role=trow-client/)
  })
})

import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { PassThrough } from 'node:stream'
import { makeAuthority } from '../../src/certificates/certificate-authority.ts'
import { connectionResult, printConnection } from '../../src/cli/connect/command.ts'
import type { Terminal } from '../../src/cli/streams.ts'
import { checkResult } from '../support/check-result.ts'
import { failure, jwt, reply, startFakeApiServer } from '../support/fake-api-server.ts'
import { LoginFolder } from '../support/login-folder.ts'

const { cert: certificate, key } = await makeAuthority(['trow.trow.svc'], [], webcrypto as Crypto)
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const resources = [
  { name: 'configmaps', kind: 'ConfigMap', namespaced: true, verbs: [] },
  { name: 'secrets', kind: 'Secret', namespaced: true, verbs: [] },
  { name: 'nodes', kind: 'Node', namespaced: false, verbs: [] },
]
const map = (name: string, data: object): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'trow' },
  data,
})

/** A cluster in which there is nothing but the CA. */
const server = await startFakeApiServer(({ path }, response) => {
  if (path === '/api/v1') return reply(response, 200, { kind: 'APIResourceList', resources })
  if (path.includes('/configmaps/trow-ca'))
    return reply(response, 200, map('trow-ca', { 'ca.crt': certificate, generation: '3' }))
  if (path.includes('/secrets/trow-ca'))
    return reply(response, 200, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'trow-ca', namespace: 'trow' },
      data: { 'ca.crt': base64(certificate), 'ca.key': base64(key) },
    })
  return failure(response, 404, 'not found')
})
after(() => server.close())

suite('results of commands on a cluster', () => {
  let home: LoginFolder
  before(() => {
    home = new LoginFolder()
    const exp = Math.floor(Date.now() / 1000) + 3600
    home.kubeconfig(server.url, { token: jwt({ aud: ['trow'], exp }) })
  })
  after(() => home.remove())

  test('ca show has the CAs, with what they are', async () => {
    const { stdout, stderr } = await home.trow('ca', 'show', '-o', 'json')
    assert.equal(stderr, '')
    const { generation, items } = checkResult('AuthorityBundle', stdout)
    assert.deepEqual([generation, items.length, items[0]?.pem.trim()], ['3', 1, certificate.trim()])
    assert.match(items[0]?.fingerprintSha256 ?? '', /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
    const plain = await home.trow('ca', 'show')
    assert.equal(plain.stdout.trim(), certificate.trim())
  })

  test('ca rotate --finish has what is trusted, and says on stderr that it had nothing to do', async () => {
    const { stdout, stderr, code } = await home.trow('ca', 'rotate', '--finish', '-o', 'json')
    assert.equal(code, 0, stderr)
    const { generation, signing, trusted, context } = checkResult('AuthorityRotation', stdout)
    assert.deepEqual([generation, trusted.length, context], [3, 1, 'dev'])
    assert.equal(signing, trusted[0]?.fingerprintSha256)
    assert.match(stderr, /nothing to do: one CA is trusted/)
  })

  test('connect has the address under which each client finds the registry', async () => {
    const cluster = { context: 'dev', namespace: 'trow', imageHost: 'trow.trow.svc' }
    const of = (address: string): Promise<string> => {
      const printed = new PassThrough({ encoding: 'utf8' })
      const terminal = { exact: { stdout: printed } } as unknown as Terminal
      const result = connectionResult({ address, port: 5000 }, cluster)
      return printConnection(result, 'jsonl', terminal).then(() => String(printed.read()))
    }
    assert.deepEqual(checkResult('Connection', await of('::1')), {
      apiVersion: 'cli.trow.io/v1',
      kind: 'Connection',
      ...cluster,
      address: '[::1]:5000',
      engineAddress: 'host.docker.internal:5000',
    })
    assert.equal(checkResult('Connection', await of('127.0.0.1')).address, '127.0.0.1:5000')
  })

  test('uninstall has nothing to remove where there is nothing', async () => {
    const { stdout, code, stderr } = await home.trow('uninstall', '--dry-run', '-o', 'json')
    const { objects, isDryRun, context } = checkResult('Uninstall', stdout)
    assert.deepEqual([objects, isDryRun, context, code], [[], true, 'dev', 0], stderr)
  })
})

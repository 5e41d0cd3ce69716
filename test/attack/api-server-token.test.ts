import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { after, afterEach, beforeEach, suite, test } from 'node:test'
import type { OpenCluster } from '../../src/cli/cluster/cluster-options.ts'
import { registryRoad } from '../../src/cli/cluster/registry-road.ts'
import type { IdentityOptions } from '../../src/cli/login/identity-options.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import { layoutOf } from '../../src/cluster/layout.ts'
import { loadKubeContext } from '../../src/cluster/kubeconfig.ts'
import { terminalOf } from '../../src/cli/streams.ts'
import type { HttpRegistryOptions } from '../../src/upstream/registry-http.ts'
import { UserError } from '../../src/user-error.ts'
import { issue } from '../support/self-signed.ts'
import { failure, jwt, reply, startFakeApiServer } from '../support/fake-api-server.ts'
import { LoginFolder } from '../support/login-folder.ts'
import { FakeObjects } from '../support/fake-objects.ts'

// The operator of the registry's pod must not receive credentials of the API server. `list`, `push`, `inspect`, `rm` and
// `audit` present what registryRoad returns; docker and podman present what `trow login` has written.

const inAnHour = Math.floor(Date.now() / 1000) + 3600
const apiToken = jwt({ aud: ['https://kubernetes.default.svc'], exp: inAnHour })
const accountToken = jwt({
  aud: ['https://kubernetes.default.svc'],
  exp: inAnHour,
  sub: 'system:serviceaccount:ci:builder',
})
const trowToken = jwt({ aud: ['trow'], exp: inAnHour })
const pair = await issue('ada', new Date(inAnHour * 1000))
const certificate = {
  'client-certificate-data': Buffer.from(pair.cert).toString('base64'),
  'client-key-data': Buffer.from(pair.key).toString('base64'),
}
const server = await startFakeApiServer(() => undefined)
after(() => server.close())

suite('a token for the API server is not presented to the registry', () => {
  let home: LoginFolder
  beforeEach(() => {
    home = new LoginFolder()
    delete home.env['TROW_SHARE_API_TOKEN']
    server.answer = (_, response) => failure(response, 403, 'serviceaccounts/token is forbidden')
  })
  afterEach(() => home.remove())

  async function present(
    options: IdentityOptions = {},
    answer?: string,
  ): Promise<{ registry: HttpRegistryOptions; password: string | undefined; asked: string }> {
    const stdin = Object.assign(new PassThrough(), { isTTY: answer !== undefined })
    const stderr = new PassThrough().setEncoding('utf8')
    if (answer !== undefined) stdin.end(`${answer}\n`)
    const { env, path: cwd } = home
    const terminal = terminalOf({
      stdin,
      stdout: new PassThrough(),
      stderr,
      env,
      cwd,
      onStop: () => () => {},
    })
    const context = loadKubeContext({ env, cwd })
    const cluster: OpenCluster = {
      context,
      credentials: new CredentialSource(context, { env, interactive: false, now: Date.now }),
      layout: layoutOf('trow'),
      objects: new FakeObjects() as unknown as OpenCluster['objects'],
    }
    const published = { ca: 'none', imageHost: 'trow.trow.svc' }
    const registry = await registryRoad(cluster, published, options, terminal)
    const { credentials } = registry
    const password = credentials !== undefined && 'password' in credentials ? credentials.password : undefined
    return { registry, password, asked: String(stderr.read() ?? '') }
  }
  const isRefused = (error: unknown): boolean =>
    error instanceof UserError &&
    error.code === 'API_TOKEN_NOT_SHARED' &&
    error.exitCode === 77 &&
    /--service-account NAMESPACE\/NAME/.test(error.hint ?? '') &&
    /--share-api-token, or TROW_SHARE_API_TOKEN=true/.test(error.hint ?? '')

  const tokens: readonly (readonly [kind: string, user: object])[] = [
    ['with another audience', { token: apiToken }],
    ['with no audience', { token: jwt({ exp: inAnHour }) }],
    ['that nobody can read into', { token: 'k8s-aws-v1.aHR0cHM' }],
    ['of a service account that may not ask for another', { token: accountToken }],
  ]
  for (const [kind, user] of tokens) {
    test(`one ${kind}: nobody is there to agree`, async () => {
      home.kubeconfig(server.url, user)
      await assert.rejects(present(), isRefused)
      const { code, stderr } = await home.trow('login')
      assert.equal(code, 77, stderr)
      assert.match(stderr, /API_TOKEN_NOT_SHARED/)
      assert.ok(!home.has('.docker/config.json'))
    })
  }

  test('the person says no', async () => {
    home.kubeconfig(server.url, { token: apiToken })
    await assert.rejects(present({}, 'n'), isRefused)
    await assert.rejects(present(), isRefused)
  })

  test('the person says yes, once for a context, its API server and the registry', async () => {
    home.kubeconfig(server.url, { token: apiToken })
    const { password, asked } = await present({}, 'y')
    assert.match(asked, /can do in the cluster what you can; the registry trow\.trow\.svc .*would receive it/)
    assert.equal(password, apiToken)
    assert.equal((await present()).password, apiToken)
    // A context of the same name with another cluster, and another registry of the same context, need a new consent.
    home.kubeconfig('https://127.0.0.2:6443', { token: apiToken })
    await assert.rejects(present(), isRefused)
    home.kubeconfig(server.url, { token: apiToken })
    assert.equal((await home.trow('login', 'elsewhere.example.com')).code, 77)
  })

  test('the flag and the variable are a consent for one run', async () => {
    home.kubeconfig(server.url, { token: apiToken })
    const { password } = await present({ shareApiToken: true })
    assert.equal(password, apiToken)
    home.env['TROW_SHARE_API_TOKEN'] = 'true'
    assert.equal((await present()).password, apiToken)
    home.env['TROW_SHARE_API_TOKEN'] = 'false'
    await assert.rejects(present(), isRefused)
  })

  test('a token for the registry, and a certificate beside a token, need no consent', async () => {
    home.kubeconfig(server.url, { token: trowToken })
    assert.equal((await present()).password, trowToken)
    home.kubeconfig(server.url, { token: apiToken, ...certificate })
    const { registry } = await present()
    assert.equal(registry.credentials, undefined)
    assert.equal(registry.certificate?.cert, pair.cert)
  })

  test('a service account that may ask gets a token for the registry alone', async () => {
    home.kubeconfig(server.url, { token: accountToken })
    server.answer = ({ path, body }, response) => {
      assert.equal(path, '/api/v1/namespaces/ci/serviceaccounts/builder/token')
      assert.deepEqual(body?.spec?.['audiences'], ['trow'])
      const until = new Date(Date.now() + 3_600_000).toISOString()
      const status = { token: 'for the registry', expirationTimestamp: until }
      reply(response, 201, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', status })
    }
    for (const options of [{}, { serviceAccount: 'ci/builder' }]) {
      assert.equal((await present(options)).password, 'for the registry')
    }
  })

  test('the credential helper, which can ask nobody, keeps to what its login was told', async () => {
    home.kubeconfig(server.url, { token: apiToken })
    assert.equal((await home.trow('login', '--helper')).code, 77)
    assert.equal((await home.trow('login', '--helper', '--share-api-token')).code, 0)
    const { hosts } = JSON.parse(home.read('.config/trow/logins.json')) as { hosts: Record<string, object> }
    assert.deepEqual(
      Object.values(hosts).map((login) => (login as { isApiTokenShared: boolean }).isApiTokenShared),
      [true],
    )
  })
})

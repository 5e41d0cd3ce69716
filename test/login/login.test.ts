import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, beforeEach, suite, test } from 'node:test'
import { missing } from '../requirements.ts'
import { issue } from '../support/self-signed.ts'
import { failure, jwt, reply, startFakeApiServer } from '../support/fake-api-server.ts'
import { checkResult } from '../support/check-result.ts'
import { LoginFolder } from '../support/login-folder.ts'
import { startIssuer } from './oidc-issuer.ts'

const inAnHour = Math.floor(Date.now() / 1000) + 3600
const server = await startFakeApiServer(() => undefined)
const pair = await issue('alice', new Date(inAnHour * 1000))
let home = new LoginFolder()
after(async () => {
  home.remove()
  await server.close()
})
beforeEach(() => {
  home.remove()
  home = new LoginFolder()
})

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const certificate = { 'client-certificate-data': base64(pair.cert), 'client-key-data': base64(pair.key) }
const docker = '.docker/config.json'
const podman = 'run/containers/auth.json'

/** An ExecCredential plug-in that writes its input to `asked`. */
function plugin(status: object, options: object = {}): object {
  const apiVersion = 'client.authentication.k8s.io/v1'
  const answer = JSON.stringify({ apiVersion, kind: 'ExecCredential', status })
  home.write(
    'bin/get-token',
    `#!/bin/sh\nprintf '%s|%s|%s' "$KUBERNETES_EXEC_INFO" "$1" "$EXTRA" > "${home.path}/asked"\necho plugin-ran >> "${home.path}/runs"\ncat <<'END'\n${answer}\nEND\n`,
    0o755,
  )
  return {
    exec: {
      apiVersion,
      command: 'get-token',
      args: ['--cluster=x'],
      env: [{ name: 'EXTRA', value: 'e' }],
      interactiveMode: 'IfAvailable',
      provideClusterInfo: true,
      ...options,
    },
  }
}

suite('trow login with a kubeconfig that holds', () => {
  test('a token for the registry', async () => {
    const token = jwt({ aud: ['trow'], exp: inAnHour })
    home.kubeconfig(server.url, { token })
    const { code, stdout, stderr } = await home.trow('login')
    assert.equal(code, 0, stderr)
    assert.equal(home.secret(docker), token)
    assert.equal(statSync(join(home.path, docker)).mode & 0o777, 0o600)
    const until = new Date(inAnHour * 1000).toISOString().replace('.000', '')
    assert.equal(
      stdout,
      `trow.trow.svc: logged in with the token of context "dev", until ${until}\n  docker: ${join(home.path, docker)}\n`,
    )
    assert.equal(stderr, '')
  })

  test('a token, told to a program without a word of it; and taken back', async () => {
    const token = jwt({ aud: ['trow'], exp: inAnHour })
    home.kubeconfig(server.url, { token })
    const { stdout, stderr } = await home.trow('login', '-o', 'json')
    const login = checkResult('Login', stdout)
    assert.deepEqual(login, {
      apiVersion: 'cli.trow.io/v1',
      kind: 'Login',
      host: 'trow.trow.svc',
      method: 'token',
      origin: 'the token of context "dev"',
      until: new Date(inAnHour * 1000).toISOString(),
      files: [join(home.path, docker)],
    })
    assert.doesNotMatch(stdout + stderr, new RegExp(token.slice(-20)))
    assert.match(stderr, /^trow\.trow\.svc: logged in with/)
    const out = checkResult('Logout', (await home.trow('logout', '-o', 'yaml')).stdout)
    assert.deepEqual([out.host, out.wasLoggedIn], ['trow.trow.svc', true])
    assert.ok(out.undone.includes(`docker: ${join(home.path, docker)}`), out.undone.join())
    const again = checkResult('Logout', (await home.trow('login', '--undo', '-o', 'json')).stdout)
    assert.deepEqual([again.wasLoggedIn, again.undone], [false, []])
  })

  test('a token for the API server, and says what that takes', async () => {
    home.kubeconfig(server.url, { token: jwt({ aud: ['https://kubernetes.default.svc'], exp: inAnHour }) })
    const { code, stderr } = await home.trow('login')
    assert.equal(code, 0)
    assert.match(stderr, /token for the API server: the registry takes it only with --api-server-tokens/)
    assert.match(stderr, /--service-account/)
  })

  test('a token that nobody can read into', async () => {
    home.kubeconfig(server.url, { token: 'static' })
    const { stdout, stderr } = await home.trow('login')
    assert.match(stdout, /for as long as the cluster takes it/)
    assert.match(stderr, /token for the API server/)
  })

  test('a token that has expired', async () => {
    home.kubeconfig(server.url, { token: jwt({ aud: ['trow'], exp: 1000 }) })
    const { code, stderr } = await home.trow('login')
    assert.equal(code, 1)
    assert.match(stderr, /expired at 1970-01-01T00:16:40.000Z \(TOKEN_EXPIRED\)/)
    assert.ok(!home.has(docker))
  })

  test('a token in a file', async () => {
    home.write('token', 'from-file\n')
    home.kubeconfig(server.url, { tokenFile: 'token' })
    await home.trow('login')
    assert.equal(home.secret(docker), 'from-file')
  })

  test('an exec plug-in, run as kubectl runs it', async () => {
    home.kubeconfig(server.url, plugin({ token: 'exec-token', expirationTimestamp: '2099-01-01T00:00:00Z' }))
    const { code, stdout, stderr } = await home.trow('login')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /the token of plug-in get-token of context "dev", until 2099-01-01T00:00:00Z/)
    assert.equal(home.secret(docker), 'exec-token')
    const [info = '', argument, extra] = home.read('asked').split('|')
    assert.deepEqual(JSON.parse(info), {
      kind: 'ExecCredential',
      apiVersion: 'client.authentication.k8s.io/v1',
      spec: { cluster: { server: server.url, config: null }, interactive: false },
    })
    assert.deepEqual([argument, extra], ['--cluster=x', 'e'])
  })

  const faults: readonly (readonly [says: string, status: object, options: object, message: RegExp])[] = [
    ['always asks', { token: 't' }, { interactiveMode: 'Always' }, /standard input is no terminal/],
    [
      'speaks another version',
      { token: 't' },
      { apiVersion: 'client.authentication.k8s.io/v9' },
      /speaks client.*v9/,
    ],
    ['gives nothing', {}, {}, /neither a token nor a certificate/],
    [
      'is not installed',
      {},
      { command: 'nowhere', installHint: 'get it from x' },
      /cannot be run[^]*get it from x/,
    ],
    ['fails', {}, { command: 'false' }, /ended with code 1/],
    ['prints another thing', {}, { command: 'echo', args: ['canary'] }, /printed no ExecCredential/],
  ]
  for (const [says, status, options, message] of faults) {
    test(`an exec plug-in that ${says}`, async () => {
      home.kubeconfig(server.url, plugin(status, options))
      const { code, stderr, stdout } = await home.trow('login')
      assert.equal(code, 1)
      assert.match(stderr, message)
      assert.ok(!(stderr + stdout).includes('canary'))
    })
  }

  test('a client certificate: it is no password', async () => {
    home.kubeconfig(server.url, certificate)
    const { code, stderr } = await home.trow('login')
    assert.equal(code, 1)
    assert.match(stderr, /CERTIFICATE_ONLY[^]*--service-account NAMESPACE\/NAME[^]*--docker or --podman/)
  })

  test('a client certificate, put where docker and podman show it, and taken back', async () => {
    home.kubeconfig(server.url, certificate)
    home.write(docker, '{"auths":{"trow.trow.svc":{"auth":"eDp5"},"ghcr.io":{}}}')
    const { code, stdout, stderr } = await home.trow('login', '--docker', '--podman')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /shown the client certificate of "alice", until /)
    assert.match(stderr, /everybody who may use it/)
    for (const folder of ['.config/docker/certs.d', '.config/containers/certs.d']) {
      assert.equal(home.read(`${folder}/trow.trow.svc/client.cert`), pair.cert)
      assert.equal(home.read(`${folder}/trow.trow.svc/client.key`), pair.key)
      assert.equal(statSync(join(home.path, folder, 'trow.trow.svc/client.key')).mode & 0o777, 0o600)
    }
    assert.equal(home.read(docker), '{"auths":{"ghcr.io":{}}}')
    assert.equal((await home.trow('login', '--docker')).code, 0, 'again')
    assert.equal((await home.trow('logout')).code, 0)
    assert.ok(!home.has('.config/docker/certs.d/trow.trow.svc'))
    assert.ok(!home.has('.config/containers/certs.d/trow.trow.svc'))
  })

  test('a client certificate, but another one is there', async () => {
    home.kubeconfig(server.url, certificate)
    home.write('.config/containers/certs.d/trow.trow.svc/client.key', 'another')
    const { code, stderr } = await home.trow('login', '--podman')
    assert.equal(code, 1)
    assert.match(stderr, /FILE_EXISTS/)
    assert.equal(home.read('.config/containers/certs.d/trow.trow.svc/client.key'), 'another')
  })

  test('a password, or nothing', async () => {
    home.kubeconfig(server.url, { username: 'u', password: 'canary' })
    const { code, stderr } = await home.trow('login')
    assert.equal(code, 1)
    assert.match(stderr, /NO_CREDENTIAL/)
    assert.ok(!stderr.includes('canary'))
    home.kubeconfig(server.url, {})
    assert.match((await home.trow('login')).stderr, /holds no credential/)
  })

  test('an id token, refreshed once it has ended; the kubeconfig keeps the new ones', async () => {
    const claims = { sub: 'me', aud: 'kubernetes', exp: inAnHour, iat: inAnHour - 3600 }
    const idToken = (iss: string): string => jwt({ iss, ...claims })
    await using issuer = await startIssuer({ idToken, refreshToken: 'second' })
    const config = {
      'idp-issuer-url': issuer.url,
      'idp-certificate-authority-data': base64(issuer.ca),
      'client-id': 'kubernetes',
      'client-secret': 'client-canary',
      'id-token': jwt({ aud: 'kubernetes', exp: 1000 }),
      'refresh-token': 'first',
    }
    home.kubeconfig(server.url, { 'auth-provider': { name: 'oidc', config } })
    const { code, stdout, stderr } = await home.trow('login')
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`the id token of ${issuer.url}`))
    assert.equal(home.secret(docker), idToken(issuer.url))
    assert.deepEqual(issuer.forms[0], {
      grant_type: 'refresh_token',
      refresh_token: 'first',
      authorization: `Basic ${base64('kubernetes:client-canary')}`,
    })
    assert.match(home.read('kubeconfig'), /"refresh-token": "?second/)
    await home.trow('login')
    assert.equal(issuer.forms.length, 1, 'a good token is not refreshed')
    assert.ok(!home.has('kubeconfig.lock'))
    issuer.refuse = true
    home.kubeconfig(server.url, { 'auth-provider': { name: 'oidc', config } })
    assert.match((await home.trow('login')).stderr, /OIDC_REFRESH_FAILED/)
  })
})

suite('trow login --service-account', () => {
  test('asks for a short-lived token with audience trow', async () => {
    home.kubeconfig(server.url, { token: 'mine' })
    ;(server.asked as unknown[]).length = 0
    server.answer = (_, response) =>
      reply(response, 201, { status: { token: 'sa-token', expirationTimestamp: '2099-01-01T00:00:00Z' } })
    const { code, stdout, stderr } = await home.trow(
      'login',
      'registry.example.com:5000',
      '--service-account',
      'ci/builder',
      '--duration',
      '2h',
    )
    assert.equal(code, 0, stderr)
    assert.match(stdout, /a token of service account ci\/builder, until 2099-01-01T00:00:00Z/)
    assert.equal(home.secret(docker, 'registry.example.com:5000'), 'sa-token')
    const [asked] = server.asked
    assert.equal(asked?.path, '/api/v1/namespaces/ci/serviceaccounts/builder/token')
    assert.equal(asked.authorization, 'Bearer mine')
    assert.deepEqual(asked.body?.spec, { audiences: ['trow'], expirationSeconds: 7200 })
    await home.trow('login', '--service-account', 'default')
    assert.equal(server.asked[1]?.path, '/api/v1/namespaces/team-a/serviceaccounts/default/token')
  })

  const rows: readonly (readonly [status: number, code: number, message: RegExp])[] = [
    [403, 77, /CLUSTER_NOT_PERMITTED[^]*"create" on serviceaccounts\/token of builder in namespace ci/],
    [401, 77, /CLUSTER_NOT_PERMITTED[^]*does not know the credential/],
    [404, 1, /SERVICE_ACCOUNT_MISSING/],
    [422, 1, /CLUSTER_REFUSED/],
    [500, 69, /CLUSTER_UNREACHABLE/],
  ]
  for (const [status, code, message] of rows) {
    test(`that is answered with ${status}`, async () => {
      home.kubeconfig(server.url, { token: 'mine' })
      server.answer = (_, response) => failure(response, status, 'because')
      const result = await home.trow('login', '--service-account', 'ci/builder')
      assert.equal(result.code, code)
      assert.match(result.stderr, message)
      assert.ok(!home.has(docker))
    })
  }

  test('with what cannot be', async () => {
    home.kubeconfig('http://127.0.0.1:1', { token: 'mine' })
    assert.equal((await home.trow('login', '--service-account', 'ci/builder')).code, 69)
    assert.equal((await home.trow('login', '--service-account', 'a/b/c')).code, 2)
    assert.equal((await home.trow('login', '--duration', '1m')).code, 2)
    assert.equal((await home.trow('login', 'a b')).code, 2)
    assert.equal((await home.trow('login', 'a.example.com', '--registry', 'b.example.com')).code, 2)
    assert.equal((await home.trow('login', '--context', 'prod')).code, 1)
  })
})

suite('where it is kept', () => {
  beforeEach(() => home.kubeconfig(server.url, { token: 'static' }))

  test('in the configs that are used, or in those that are named', async () => {
    home.write(podman, '{\n\t"auths": {}\n}\n')
    await home.trow('login')
    assert.equal(home.secret(podman), 'static')
    assert.ok(!home.has(docker))
    const { stdout } = await home.trow('login', 'other.example.com', '--docker', '--podman')
    assert.match(stdout, /docker: .*config\.json\n {2}podman, skopeo, buildah: .*auth\.json\n$/)
    assert.equal(home.secret(docker, 'other.example.com'), 'static')
    assert.equal(home.secret(podman, 'other.example.com'), 'static')
  })

  test('elsewhere, where the environment says so', async () => {
    Object.assign(home.env, {
      DOCKER_CONFIG: join(home.path, 'd'),
      REGISTRY_AUTH_FILE: join(home.path, 'p.json'),
      TROW_REGISTRY: 'https://registry.example.com/',
    })
    await home.trow('login', '--docker', '--podman')
    assert.equal(home.secret('d/config.json', 'registry.example.com'), 'static')
    assert.equal(home.secret('p.json', 'registry.example.com'), 'static')
  })

  test('with the program that keeps all of docker’s credentials', async () => {
    home.write('bin/docker-credential-box', `#!/bin/sh\necho "$1 $(cat)" >> "${home.path}/box"\n`, 0o755)
    home.write(docker, '{"credsStore":"box"}')
    assert.equal((await home.trow('login')).code, 0)
    assert.equal((await home.trow('login', '--undo')).code, 0)
    assert.deepEqual(home.read('box').split('\n'), [
      'store {"ServerURL":"trow.trow.svc","Username":"trow","Secret":"static"}',
      'erase trow.trow.svc',
      '',
    ])
    assert.ok(!home.read(docker).includes('c3RhdGlj'))
    home.write(docker, '{"credsStore":"missing"}')
    const { code, stderr } = await home.trow('login')
    assert.equal(code, 1)
    assert.match(stderr, /CREDENTIAL_STORE_FAILED/)
  })

  test('not in a file that is broken', async () => {
    home.write(docker, '{"auths":')
    const { code, stderr } = await home.trow('login')
    assert.equal(code, 1)
    assert.match(stderr, /CREDENTIALS_INVALID/)
    assert.equal(home.read(docker), '{"auths":')
  })

  test('and not any more after a logout', async () => {
    home.write(docker, '{"auths":{"ghcr.io":{"auth":"eDp5"}}}')
    home.write(podman, '{"auths":{}}')
    await home.trow('login')
    const { stdout } = await home.trow('logout')
    assert.match(stdout, /logged out\n {2}docker: .*\n {2}podman, skopeo, buildah: /)
    assert.equal(home.read(docker), '{"auths":{"ghcr.io":{"auth":"eDp5"}}}')
    assert.equal((await home.trow('logout')).stdout, 'trow.trow.svc: nobody was logged in\n')
  })
})

suite('podman itself', { skip: missing('podman') }, () => {
  const loggedIn = (): string =>
    execFileSync('podman', ['login', '--get-login', 'trow.trow.svc'], {
      env: { ...home.env, PATH: `${home.env['PATH']}:${dirname(process.execPath)}` },
      encoding: 'utf8',
    })
  beforeEach(() => home.kubeconfig(server.url, { token: jwt({ aud: ['trow'], exp: inAnHour }) }))

  test('finds what a login has kept', async () => {
    await home.trow('login', '--podman')
    assert.equal(loggedIn(), 'trow\n')
    await home.trow('logout')
    assert.throws(loggedIn)
  })

  test('asks the helper that a login has named', async () => {
    const helper = new URL('../../bin/docker-credential-trow.js', import.meta.url).pathname
    home.write('bin/docker-credential-trow', `#!/bin/sh\nexec node ${helper} "$@"\n`, 0o755)
    const { stderr } = await home.trow('login', '--podman', '--helper')
    assert.equal(stderr, '')
    assert.equal(loggedIn(), 'trow\n')
  })
})

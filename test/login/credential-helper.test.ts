import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, beforeEach, suite, test } from 'node:test'
import { issue } from '../support/self-signed.ts'
import { failure, reply, startFakeApiServer } from '../support/fake-api-server.ts'
import { LoginFolder } from '../support/login-folder.ts'

const program = new URL('../../bin/docker-credential-trow.js', import.meta.url).pathname
const server = await startFakeApiServer(() => undefined)
let home = new LoginFolder()
after(async () => {
  home.remove()
  await server.close()
})
beforeEach(() => {
  home.remove()
  home = new LoginFolder()
  home.kubeconfig(server.url, { token: 'mine' })
  ;(server.asked as unknown[]).length = 0
})

/** Runs the helper as docker does. */
async function helper(verb: string, input = ''): Promise<{ code: number | null; stdout: string }> {
  const child = spawn(process.execPath, [program, verb], {
    env: home.env,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(input)
  const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  return { code: code as number | null, stdout }
}

function giving(seconds: number): void {
  let given = 0
  server.answer = (_, response) => {
    const expirationTimestamp = new Date(Date.now() + seconds * 1000).toISOString()
    reply(response, 201, { status: { token: `token-${++given}`, expirationTimestamp } })
  }
}

const account = ['login', '--helper', '--service-account', 'ci/builder'] as const

suite('docker-credential-trow', () => {
  test('is what docker is told to ask, and gets a fresh token for it', async () => {
    giving(3600)
    const { code, stdout, stderr } = await home.trow(...account)
    assert.equal(code, 0, stderr)
    assert.match(stdout, /asks for a token of service account ci\/builder each time/)
    assert.match(stderr, /docker-credential-trow is not in PATH/)
    assert.deepEqual(JSON.parse(home.read('.docker/config.json')), {
      credHelpers: { 'trow.trow.svc': 'trow' },
    })
    const first = await helper('get', 'https://trow.trow.svc\n')
    assert.equal(first.code, 0)
    assert.deepEqual(JSON.parse(first.stdout), {
      ServerURL: 'https://trow.trow.svc',
      Username: 'trow',
      Secret: 'token-2',
    })
    assert.deepEqual(server.asked.at(-1)?.body?.spec, { audiences: ['trow'], expirationSeconds: 3600 })
    assert.equal(JSON.parse((await helper('get', 'trow.trow.svc')).stdout).Secret, 'token-2', 'kept')
    const [kept = ''] = readdirSync(join(home.path, '.cache/trow/logins'))
    assert.equal(statSync(join(home.path, '.cache/trow/logins', kept)).mode & 0o777, 0o600)
    assert.ok(!home.read('.config/trow/logins.json').includes('token-'))
  })

  test('keeps a token until a minute before it ends', async () => {
    giving(59)
    await home.trow(...account)
    assert.equal(JSON.parse((await helper('get', 'trow.trow.svc')).stdout).Secret, 'token-2')
    assert.equal(JSON.parse((await helper('get', 'trow.trow.svc')).stdout).Secret, 'token-3')
  })

  test('stays with the context of the login, and goes with a later login', async () => {
    giving(3600)
    await home.trow(...account)
    const config = home.read('kubeconfig')
    home.write('kubeconfig', config.replace('"current-context":"dev"', '"current-context":"gone"'))
    assert.equal(JSON.parse((await helper('get', 'trow.trow.svc')).stdout).Secret, 'token-2')
    await home.trow(...account.slice(0, 2), '--service-account', 'ci/other', '--context', 'dev')
    assert.equal(JSON.parse((await helper('get', 'trow.trow.svc')).stdout).Secret, 'token-4')
    assert.equal(server.asked.at(-1)?.path, '/api/v1/namespaces/ci/serviceaccounts/other/token')
    const logins = home.read('.config/trow/logins.json')
    home.write('.config/trow/logins.json', logins.replace('ci/other', 'ci/third'))
    assert.equal(JSON.parse((await helper('get', 'trow.trow.svc')).stdout).Secret, 'token-5')
  })

  test('says in docker’s words that it knows no other host', async () => {
    giving(3600)
    await home.trow(...account)
    for (const host of ['ghcr.io', 'https://index.docker.io/v1/', '', 'not a host']) {
      const { code, stdout } = await helper('get', host)
      assert.deepEqual([code, stdout], [1, 'credentials not found in native keychain\n'])
    }
  })

  test('says why there is none', async () => {
    giving(3600)
    await home.trow(...account)
    server.answer = (_, response) => failure(response, 403, 'forbidden')
    const { code, stdout } = await helper('get', 'trow.trow.svc')
    assert.equal(code, 1)
    assert.match(stdout, /^trow: .*forbidden.*serviceaccounts\/token/)
  })

  test('lists, takes back what it gave, keeps nothing else, forgets', async () => {
    giving(3600)
    await home.trow(...account)
    assert.deepEqual(JSON.parse((await helper('list')).stdout), { 'trow.trow.svc': 'trow' })
    const credential = { ServerURL: 'trow.trow.svc', Username: 'trow', Secret: 'x' }
    assert.equal((await helper('store', JSON.stringify(credential))).code, 0)
    const other = await helper(
      'store',
      JSON.stringify({ ...credential, ServerURL: 'ghcr.io', Secret: 'canary' }),
    )
    assert.equal(other.code, 1)
    assert.match(other.stdout, /keeps no passwords/)
    assert.ok(!other.stdout.includes('canary'))
    assert.equal((await helper('store', 'no json')).code, 1)
    await helper('get', 'trow.trow.svc')
    assert.equal((await helper('erase', 'trow.trow.svc')).code, 0)
    assert.equal((await helper('get', 'trow.trow.svc')).code, 1)
    assert.deepEqual(readdirSync(join(home.path, '.cache/trow/logins')), [])
  })

  test('is told of no certificate', async () => {
    const { cert, key } = await issue('alice', new Date(Date.now() + 3_600_000))
    const base64 = (pem: string): string => Buffer.from(pem).toString('base64')
    home.kubeconfig(server.url, {
      'client-certificate-data': base64(cert),
      'client-key-data': base64(key),
    })
    const { code, stderr } = await home.trow('login', '--helper', '--docker')
    assert.equal(code, 1)
    assert.match(stderr, /CERTIFICATE_ONLY/)
    assert.ok(!home.has('.docker/config.json'))
  })

  test('goes with a logout', async () => {
    giving(3600)
    home.write('.docker/config.json', '{"credHelpers":{"ghcr.io":"gh"}}')
    await home.trow(...account)
    assert.equal((await home.trow('logout')).code, 0)
    assert.equal(home.read('.docker/config.json'), '{"credHelpers":{"ghcr.io":"gh"}}')
    assert.deepEqual(JSON.parse((await helper('list')).stdout), {})
  })

  test('says its version and its use', async () => {
    assert.match((await helper('version')).stdout, /^docker-credential-trow \(trow\) \d/)
    const { code, stdout } = await helper('help')
    assert.deepEqual([code, stdout], [2, 'Usage: docker-credential-trow get|store|erase|list|version\n'])
  })
})

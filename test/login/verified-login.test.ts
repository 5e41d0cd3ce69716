import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, suite, test } from 'node:test'
import { jwt } from '../support/fake-api-server.ts'
import { startGated, type GatedServer } from '../support/gated-server.ts'
import { LoginFolder } from '../support/login-folder.ts'
import { runCommand } from '../support/run-trow.ts'

const docker = '.docker/config.json'
let home = new LoginFolder()
let gate: GatedServer
let host = ''
before(async () => {
  gate = await startGated()
  host = new URL(gate.url).host
})
beforeEach(() => {
  home.remove()
  home = new LoginFolder()
})
after(async () => {
  home.remove()
  await gate.close()
})

const login = (args: readonly string[], input = ''): ReturnType<typeof runCommand> =>
  runCommand(['login', ...args], { env: home.env, input })
const asPusher = ['-u', 'pusher', '--password-stdin'] as const

suite('a login is kept only if the registry takes it', () => {
  test('a password that is right, which every command then uses', async () => {
    const { code, stdout, stderr } = await login([...asPusher, host], 'pusher-pw\n')
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`^${host}: logged in as "pusher"\n {2}docker: .*config\\.json\n$`))
    assert.equal(stderr, '')
    assert.equal(home.secret(docker, host), 'pusher:pusher-pw')
    const listed = await home.trow('list', `${host}/team/none`)
    assert.match(listed.stderr, /\(NOT_FOUND\)/)
    assert.equal((await home.trow('logout', host)).code, 0)
    assert.match(
      (await home.trow('list', `${host}/team/none`)).stderr,
      /\(REGISTRY_DENIED\)\n {2}Nobody is logged in/,
    )
  })

  test('a password that is wrong', async () => {
    const { code, stderr } = await login([...asPusher, host], 'wrong\n')
    assert.match(
      stderr,
      /^trow: http:\/\/.* does not permit this: .*wrong.*\(REGISTRY_DENIED\)\n {2}Check the name "pusher" and its password\.\n$/,
    )
    assert.equal(code, 77)
    assert.ok(!home.has(docker))
  })

  test('a login that is kept already plays no part in the proof, and stays when another is refused', async () => {
    await login([...asPusher, host], 'pusher-pw\n')
    const { code } = await login(['-u', 'nobody', '--password-stdin', host], 'pusher-pw\n')
    assert.equal(code, 77)
    assert.equal(home.secret(docker, host), 'pusher:pusher-pw')
  })

  test('a token of the kube context', async () => {
    const exp = Math.floor(Date.now() / 1000) + 3600
    home.kubeconfig('http://127.0.0.1:1', { token: jwt({ aud: ['trow'], exp }) })
    const { code, stderr } = await login([host])
    assert.match(
      stderr,
      /\(REGISTRY_DENIED\)\n {2}Nothing was kept\. Is it the registry of this cluster\?\n$/,
    )
    assert.equal(code, 77)
    assert.ok(!home.has(docker))
    const unproved = await login([host, '--no-verify'])
    assert.equal(unproved.code, 0, unproved.stderr)
    assert.ok(home.has(docker))
  })

  for (const args of [[], ['trow.other.svc']]) {
    test(`a registry in a cluster that is out of reach: trow login ${args.join(' ')}`, async () => {
      const exp = Math.floor(Date.now() / 1000) + 3600
      home.kubeconfig('http://127.0.0.1:1', { token: jwt({ aud: ['trow'], exp }) })
      const { code, stderr } = await login(args)
      assert.match(stderr, /\(CLUSTER_UNREACHABLE\)\n(.*\n)? {2}Nothing was kept; --no-verify keeps a login/)
      assert.equal(code, 69)
      assert.ok(!home.has(docker))
    })
  }

  test('a registry that is out of reach, unless nobody wants to know', async () => {
    const { code, stderr } = await login([...asPusher, '127.0.0.1:1'], 'word\n')
    assert.match(stderr, /\(REGISTRY_UNREACHABLE\)\n.*\n {2}Nothing was kept; --no-verify keeps a login/)
    assert.equal(code, 69)
    assert.ok(!home.has(docker))
    const kept = await login([...asPusher, '127.0.0.1:1', '--no-verify'], 'word\n')
    assert.equal(kept.code, 0, kept.stderr)
    assert.equal(home.secret(docker, '127.0.0.1:1'), 'pusher:word')
  })

  test('a registry that asks nobody proves nothing, and that is said', async () => {
    const open = createServer((_, response) => void response.end())
    await new Promise<void>((resolve) => open.listen(0, '127.0.0.1', resolve))
    const at = `127.0.0.1:${(open.address() as AddressInfo).port}`
    const { code, stderr } = await login([...asPusher, at], 'word\n')
    assert.equal(stderr, `${at} lets everybody in, so that this login could not be proved\n`)
    assert.equal(code, 0)
    open.close()
  })

  test('Docker Hub is kept under the name by which docker and podman find it', async () => {
    const { code, stdout } = await login([...asPusher, 'docker.io', '--no-verify', '--docker'], 'word\n')
    assert.equal(code, 0)
    assert.match(stdout, /^index\.docker\.io: logged in as "pusher"/)
    assert.equal(home.secret(docker, 'index.docker.io'), 'pusher:word')
  })

  for (const [what, args, code, message] of [
    ['no password', ['-u', 'pusher', '127.0.0.1:1'], 2, /\(PASSWORD_MISSING\)/],
    ['an empty password', [...asPusher, '127.0.0.1:1'], 2, /no password was given \(PASSWORD_MISSING\)/],
    [
      'a helper',
      [...asPusher, '--helper', '127.0.0.1:1'],
      2,
      /and --helper one of the kube context \(OPTIONS_CONFLICT\)/,
    ],
    ['an account', [...asPusher, '--service-account', 'a/b', '127.0.0.1:1'], 2, /\(OPTIONS_CONFLICT\)/],
    [
      'plain HTTP elsewhere',
      [...asPusher, 'http://registry.example.com'],
      2,
      /\(PASSWORD_MISSING\)|\(PLAIN_HTTP_REFUSED\)/,
    ],
  ] as const)
    // prettier-ignore
    test(`a user name with ${what}`, async () => {
      const found = await login(args)
      assert.match(found.stderr, message)
      assert.equal(found.code, code)
    })
})

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createNetServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { issue } from '../../support/self-signed.ts'
import { runCommand } from '../../support/run-trow.ts'
import { writeLayout } from './oci-layout.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-way-'))
const ca = join(folder, 'ca.crt')
const layout = join(folder, 'layout')
/** The authorization of each request, by server. */
const seen: { readonly plain: (string | undefined)[]; readonly tls: (string | undefined)[] } = {
  plain: [],
  tls: [],
}
let [plain, tls]: Server[] = []
let [plainHost, tlsHost] = ['', '']

const answer =
  (list: (string | undefined)[]): RequestListener =>
  ({ headers }, response) => {
    list.push(headers.authorization)
    response.end('{"repositories":["a"]}')
  }

before(async () => {
  const certificate = await issue('nobody', new Date(Date.now() + 3_600_000))
  writeFileSync(ca, certificate.cert)
  writeLayout(layout)
  plain = createServer(answer(seen.plain))
  tls = createTlsServer(certificate, answer(seen.tls))
  plainHost = await listening(plain)
  tlsHost = await listening(tls)
})
after(() => {
  plain?.close()
  tls?.close()
  rmSync(folder, { recursive: true, force: true })
})

async function listening(server: {
  listen(port: number, host: string, done: () => void): unknown
  address(): unknown
}): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

const given = ['--username', 'ada', '--password-stdin']
const trow = (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ReturnType<typeof runCommand> =>
  runCommand(args, { env: { HOME: folder, PATH: folder, ...env }, input: 'word\n' })

function isolated(name: string): string {
  const path = join(folder, name)
  mkdirSync(path, { recursive: true })
  return path
}

suite('what a registry on loopback speaks', () => {
  test('is found out, plain or TLS', async () => {
    assert.equal((await trow(['list', plainHost, '-o', 'name'])).stdout, 'a\n')
    const known = await trow(['list', tlsHost, '--ca', ca, '-o', 'name'])
    assert.equal(known.stdout, 'a\n', known.stderr)
  })

  test('is TLS that nobody vouches for, and not a plain one', async () => {
    seen.tls.length = 0
    const { code, stderr } = await trow(['list', tlsHost, ...given])
    assert.match(stderr, new RegExp(`the certificate of https://${tlsHost} is not trusted`))
    assert.match(stderr, /\(REGISTRY_UNTRUSTED\)\n {2}Give the CA of the registry with --ca FILE\.\n$/)
    assert.equal(code, 69)
    assert.deepEqual(seen.tls, [])
  })

  test('is trusted by the CA that docker or podman have for it', async () => {
    const certs = isolated(`.config/containers/certs.d/${tlsHost}`)
    writeFileSync(join(certs, 'ca.crt'), readFileSync(ca))
    const { stdout, stderr } = await trow(['list', tlsHost, '-o', 'name'])
    assert.equal(stdout, 'a\n', stderr)
    rmSync(certs, { recursive: true })
  })

  for (const [what, args, hint] of [
    ['http://', () => ['list', `http://${tlsHost}`], 'Leave out http://.'],
    ['--plain-http', () => ['list', tlsHost, '--plain-http'], 'Leave out --plain-http.'],
    ['a push', () => ['push', layout, 'a:1', '--registry', `http://${tlsHost}`], 'Leave out http://.'],
  ] as const) {
    test(`is TLS where ${what} says that it is not: told at once, and without a credential`, async () => {
      seen.tls.length = 0
      const start = performance.now()
      const { code, stderr } = await trow([...args(), ...given])
      assert.equal(
        stderr,
        `trow: ${tlsHost} speaks TLS, and was to be asked without it (REGISTRY_SPEAKS_TLS)\n  ${hint}\n`,
      )
      assert.equal(code, 69)
      assert.deepEqual(seen.tls, [])
      assert.ok(performance.now() - start < 3000)
    })
  }

  test('is plain where https:// says that it is not, which a push says once', async () => {
    seen.plain.length = 0
    for (const args of [
      ['list', `https://${plainHost}`],
      ['push', layout, `https://${plainHost}/a:1`],
    ]) {
      const { code, stderr } = await trow([...args, ...given])
      assert.match(
        stderr,
        /does not speak TLS \(REGISTRY_SPEAKS_HTTP\)\n {2}Leave out https:\/\/, and --ca\.\n$/,
      )
      assert.doesNotMatch(stderr, /going on/)
      assert.equal(code, 69)
    }
    assert.deepEqual(seen.plain, [])
  })

  test('is neither', async () => {
    const mute = createNetServer((socket) => void socket.once('data', () => socket.destroy()))
    const host = await listening(mute)
    const { code, stderr } = await trow(['list', host, ...given])
    assert.match(stderr, new RegExp(`^trow: ${host} answers neither TLS nor HTTP \\(REGISTRY_UNREACHABLE\\)`))
    assert.equal(code, 69)
    mute.close()
  })
})

suite('which registry a command takes', () => {
  test('says that it is the one of TROW_REGISTRY, and nothing if the command line names it', async () => {
    const byVariable = await trow(['list', '-o', 'name'], { TROW_REGISTRY: plainHost })
    assert.deepEqual(
      [byVariable.stdout, byVariable.stderr],
      ['a\n', `registry: http://${plainHost} (TROW_REGISTRY)\n`],
    )
    const byFlag = await trow(['list', '--registry', plainHost, '-o', 'name'], { TROW_REGISTRY: 'nowhere:1' })
    assert.deepEqual([byFlag.stdout, byFlag.stderr], ['a\n', ''])
    const byName = await trow(['list', plainHost, '-o', 'name'], { TROW_REGISTRY: 'nowhere:1' })
    assert.deepEqual([byName.stdout, byName.stderr], ['a\n', ''])
  })

  test('a context that is named goes before TROW_REGISTRY', async () => {
    const { stderr } = await trow(['list', '--context', 'x'], { TROW_REGISTRY: plainHost })
    assert.match(stderr, /KUBECONFIG_MISSING|CONTEXT_UNKNOWN/)
  })

  test('app:1 is a tag for commands about images, in the registry that is found', async () => {
    const { stderr } = await trow(['rm', '-y', 'app:1'], { TROW_REGISTRY: plainHost })
    assert.doesNotMatch(stderr, /REFERENCE_INVALID/)
  })

  test('TROW_REGISTRY that is none is told by its name', async () => {
    const { code, stderr } = await trow(['list'], { TROW_REGISTRY: 'what ever' })
    assert.match(stderr, /^trow: "what ever" of TROW_REGISTRY is no registry \(HOST_INVALID\)/)
    assert.equal(code, 2)
  })

  test('a push finds what is wrong on this machine before it asks anybody', async () => {
    const env = { TROW_REGISTRY: '127.0.0.1:1' }
    const missing = await trow(['push', './nothing.tar', 'a:1'], env)
    assert.match(missing.stderr, /^trow: there is no file .*nothing\.tar \(IMAGE_MISSING\)\n/)
    const wrong = await trow(['push', ca, 'a:1'], env)
    assert.match(wrong.stderr, /^trow: .*ca\.crt is no image archive that can be pushed/)
    const name = await trow(['push', layout, 'A:1'], env)
    assert.match(name.stderr, /^trow: "A:1" is no name for an image/)
  })
})

suite('with whose credential', () => {
  const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`
  const auths = (pairs: Readonly<Record<string, string>>): string =>
    JSON.stringify({
      auths: Object.fromEntries(
        Object.entries(pairs).map(([key, pair]) => [key, { auth: Buffer.from(pair).toString('base64') }]),
      ),
    })
  const sent = async (
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<string | undefined> => {
    seen.plain.length = 0
    await trow(args, env)
    return seen.plain.at(-1)
  }

  test('the one that is given, else that of docker, else that of podman', async () => {
    const docker = isolated('docker')
    const podman = join(folder, 'auth.json')
    const env = { DOCKER_CONFIG: docker, REGISTRY_AUTH_FILE: podman }
    writeFileSync(podman, auths({ [plainHost]: 'pod:man', [`${plainHost}/team/app`]: 'app:man' }))
    assert.equal(await sent(['list', plainHost], env), basic('pod:man'))
    assert.equal(await sent(['list', `${plainHost}/team/app`], env), basic('app:man'))
    assert.equal(await sent(['list', `${plainHost}/team`], env), basic('pod:man'))
    writeFileSync(join(docker, 'config.json'), auths({ [`http://${plainHost}/v1/`]: 'doc:ker' }))
    assert.equal(await sent(['list', plainHost], env), basic('doc:ker'))
    assert.equal(await sent(['list', plainHost, ...given], env), basic('ada:word'))
  })

  test('that of a credential helper, whose failure is told only where a credential is missing', async () => {
    const docker = isolated('helped')
    const env = { DOCKER_CONFIG: docker, REGISTRY_AUTH_FILE: join(folder, 'none.json') }
    writeFileSync(join(docker, 'config.json'), JSON.stringify({ credHelpers: { [plainHost]: 'test' } }))
    const helper = join(folder, 'docker-credential-test')
    const says = (text: string, code = 0): void => {
      writeFileSync(helper, `#!/bin/sh\necho '${text}'\nexit ${code}\n`)
      chmodSync(helper, 0o755)
    }
    says('{"Username":"help","Secret":"er"}')
    assert.equal(await sent(['list', plainHost], env), basic('help:er'))
    says('credentials not found in native keychain', 1)
    assert.equal(await sent(['list', plainHost], env), undefined)
    says('the keychain is locked', 1)
    assert.equal((await trow(['list', plainHost], env)).stderr, '1 repository\n')
    const closed = createServer((_, response) => void response.writeHead(401).end())
    const host = await listening(closed)
    writeFileSync(join(docker, 'config.json'), JSON.stringify({ credHelpers: { [host]: 'test' } }))
    assert.match(
      (await trow(['list', host], env)).stderr,
      /Nobody is logged in there: .*\n {2}No login was found: .*docker-credential-test, which refused with code 1\.\n$/,
    )
    closed.close()
  })
})

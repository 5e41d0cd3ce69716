import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, suite, test } from 'node:test'
import fc from 'fast-check'
import { credentialKind, type KubeContext } from '../../src/cluster/kube-context.ts'
import { loadKubeContext } from '../../src/cluster/kubeconfig.ts'
import { UserError } from '../../src/user-error.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-kubeconfig-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function file(text: string): string {
  const path = join(folder, `config-${files++}`)
  writeFileSync(path, text)
  return path
}

const base = `
apiVersion: v1
kind: Config
current-context: a
clusters:
  - { name: one, cluster: { server: 'https://one:6443/' } }
  - { name: two, cluster: { server: 'https://two:6443', certificate-authority: pki/ca.crt, tls-server-name: kubernetes } }
contexts:
  - { name: a, context: { cluster: one, user: u } }
  - { name: b, context: { cluster: two, user: u, namespace: team-b } }
users:
  - { name: u, user: { token: first } }
`

function load(text: string, options: Partial<Parameters<typeof loadKubeContext>[0]> = {}): KubeContext {
  return loadKubeContext({ env: { KUBECONFIG: file(text) }, cwd: folder, ...options })
}

const code = (wanted: string) => (error: unknown) => error instanceof UserError && error.code === wanted

suite('a context', () => {
  test('is the current one, or the one that is named', () => {
    assert.equal(load(base).cluster.server, 'https://one:6443')
    const named = load(base, { context: 'b' })
    assert.deepEqual(named.cluster, {
      server: 'https://two:6443',
      ca: { file: join(folder, 'pki', 'ca.crt') },
      insecure: false,
      serverName: 'kubernetes',
      proxyUrl: undefined,
    })
    assert.equal(named.namespace, 'team-b')
    assert.throws(() => load(base, { context: 'c' }), code('CONTEXT_UNKNOWN'))
    assert.throws(() => load(base.replace('current-context: a', '')), code('CONTEXT_UNKNOWN'))
  })

  test('is merged from the files of KUBECONFIG, the first to name something wins', () => {
    const other = file(`
current-context: b
clusters: [{ name: three, cluster: { server: https://three } }]
contexts: [{ name: c, context: { cluster: three, user: u } }]
users: [{ name: u, user: { token: second } }]
`)
    const env = { KUBECONFIG: ['', file(base), join(folder, 'missing'), other].join(delimiter) }
    const merged = loadKubeContext({ env, cwd: folder, context: 'c' })
    assert.equal(merged.cluster.server, 'https://three')
    assert.deepEqual(merged.user.token, { kind: 'token', token: 'first' })
    assert.equal(loadKubeContext({ env, cwd: folder }).name, 'a')
    const reversed = { KUBECONFIG: [other, file(base)].join(delimiter) }
    assert.equal(loadKubeContext({ env: reversed, cwd: folder }).name, 'b')
  })

  test('comes from ~/.kube/config, from --kubeconfig before KUBECONFIG, from the pod last', () => {
    mkdirSync(join(folder, '.kube'))
    writeFileSync(join(folder, '.kube', 'config'), base)
    assert.equal(loadKubeContext({ env: { HOME: folder }, cwd: folder }).name, 'a')
    const chosen = load(base, { kubeconfig: file(base.replace('current-context: a', 'current-context: b')) })
    assert.equal(chosen.name, 'b')
    assert.throws(() => load(base, { kubeconfig: 'missing' }), code('KUBECONFIG_MISSING'))

    const account = join(folder, 'account')
    mkdirSync(account)
    for (const [name, text] of Object.entries({ token: 't', 'ca.crt': 'c', namespace: 'trow' })) {
      writeFileSync(join(account, name), text)
    }
    const pod = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }
    const options = { cwd: folder, serviceAccountFolder: account }
    const found = loadKubeContext({ env: { ...pod, HOME: join(folder, 'nobody') }, ...options })
    assert.equal(found.cluster.server, 'https://[fd00::1]:443')
    assert.equal(found.namespace, 'trow')
    assert.equal(loadKubeContext({ env: { ...pod, HOME: folder }, ...options }).name, 'a')
    assert.throws(
      () => loadKubeContext({ env: { HOME: join(folder, 'nobody') }, ...options }),
      code('KUBECONFIG_MISSING'),
    )
  })
})

suite('a user', () => {
  const exec =
    '{ apiVersion: client.authentication.k8s.io/v1, command: ./bin/get-token, args: [x], interactiveMode: Never }'
  const rows: readonly (readonly [user: string, kind: string])[] = [
    ['{ token: t }', 'token'],
    ['{ token: t, tokenFile: secrets/token }', 'token-file'],
    ['{ client-certificate: c.crt, client-key: c.key }', 'certificate'],
    ['{ client-certificate: c.crt }', 'none'],
    ['{ client-certificate-data: QQ==, client-key-data: QQ==, token: t }', 'token'],
    [`{ exec: ${exec} }`, 'exec'],
    ['{ auth-provider: { name: oidc, config: { client-id: k, id-token: i } } }', 'oidc'],
    ['{ auth-provider: { name: gcp } }', 'unsupported'],
    ['{ username: u, password: p }', 'basic'],
    ['{}', 'none'],
  ]
  for (const [user, kind] of rows) {
    test(`${user} is ${kind}`, () => {
      assert.equal(credentialKind(load(base.replace('{ token: first }', user)).user), kind)
    })
  }

  test('has paths beside the file, and what stands in the file itself wins', () => {
    const { token } = load(base.replace('{ token: first }', `{ exec: ${exec} }`)).user
    assert.ok(token?.kind === 'exec')
    assert.equal(token.plugin.command, join(folder, 'bin', 'get-token'))
    const { certificate } = load(
      base.replace(
        '{ token: first }',
        '{ client-certificate: c.crt, client-certificate-data: Qw==, client-key: /k.key }',
      ),
    ).user
    assert.deepEqual(certificate, { cert: { pem: 'C' }, key: { file: '/k.key' } })
  })
})

suite('a kubeconfig that cannot be used', () => {
  const rows = [
    ['users: [{ name: u, user: { token: [canary] } }]', 'users[0].user.token is not text'],
    ['users: [{ name: u, user: { token: canary', 'in line 1'],
    ['clusters: canary', 'clusters is not a list'],
    ['token: "canary\n- ][', 'in line 2'],
  ] as const
  for (const [text, words] of rows) {
    test(`is refused without a word of what it holds: ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => load(text),
        (error) => {
          assert.ok(code('KUBECONFIG_INVALID')(error), String(error))
          assert.ok(!String((error as Error).message).includes('canary'))
          assert.ok(String((error as Error).message).includes(words), String(error))
          return true
        },
      )
    })
  }

  test('is a matter for the person at the terminal, whatever it holds', () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.string(),
        fc.integer(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(
          fc.constantFrom(
            'name',
            'user',
            'users',
            'cluster',
            'clusters',
            'contexts',
            'context',
            'exec',
            'current-context',
          ),
          tie('value'),
        ),
      ),
    })).value
    fc.assert(
      fc.property(
        fc.oneof(
          value.map((each) => JSON.stringify(each)),
          fc.string(),
        ),
        (text) => {
          try {
            load(text)
          } catch (error) {
            assert.ok(error instanceof UserError, String(error))
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

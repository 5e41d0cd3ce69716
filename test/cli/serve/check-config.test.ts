import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, suite, test } from 'node:test'
import { webcrypto } from 'node:crypto'
import { makeAuthority } from '../../../src/certificates/certificate-authority.ts'
import { runCommand } from '../../support/run-trow.ts'
import { runTrow } from '../../support/server-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-check-'))
after(() => rmSync(folder, { recursive: true }))
const data = join(folder, 'data')

function put(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

const check = (
  args: readonly string[],
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> =>
  runCommand(['serve', '--check-config', '--data', data, ...args])

suite('trow serve --check-config', () => {
  test('ends with 0 where nothing is wrong, and has made nothing', async () => {
    const { cert, key } = await makeAuthority(['registry.example'], [], webcrypto as Crypto)
    const args = ['--tls-cert', put('ok.crt', cert), '--tls-key', put('ok.key', key)]
    const policies = join(folder, 'no-policies')
    mkdirSync(policies)
    const { code, stderr } = await check([...args, '--policy-dir', policies])
    assert.equal(stderr, 'trow: nothing is wrong with the configuration\n')
    assert.equal(code, 0)
    assert.ok(!existsSync(data))
  })

  test('names every wrong setting of a file with its line and column, and the start names the first alike', async () => {
    const file = put(
      'trow.yaml',
      'listen: 5\nauth: maybe\naccess:\n  - who: alice\n    repositories: [a/**]\n    actions: [pul]\n',
    )
    const { code, stderr } = await check(['--config', file])
    assert.equal(code, 79)
    for (const line of [
      `${file}:1:9: listen: 5 must be text (CONFIG_INVALID)`,
      `${file}:2:7: auth: "maybe" must be auto, on or off (CONFIG_INVALID)`,
      `${file}:6:15: access[0].actions[0]: "pul" must be pull, push, delete or list (CONFIG_INVALID)`,
    ])
      assert.ok(stderr.includes(`trow: ${line}\n`), stderr)
    const start = await runCommand(['serve', '--config', file])
    assert.equal(start.code, 2)
    assert.equal(start.stderr, stderr.split('\n').slice(0, 2).join('\n') + '\n')
  })

  test('names every file that cannot be used, rights and policies too', async () => {
    const policies = join(folder, 'policies')
    mkdirSync(policies)
    writeFileSync(join(policies, 'a.yaml'), 'kind: TrowPolicy\nspec: 1\n')
    const none = join(folder, 'none')
    const pair = ['--tls-cert', put('bad.crt', 'x'), '--tls-key', put('bad.key', 'x')]
    const files = ['--htpasswd', none, '--tls-ca', none, '--audit-webhook', 'https://hooks.example/']
    const cluster = ['--kubernetes', '--kubeconfig', none, '--policy-dir', policies, '--policy-cluster']
    const { code, stderr } = await check([...pair, ...files, ...cluster])
    assert.equal(code, 79)
    const codes = [...stderr.matchAll(/\(([A-Z_]+)\)$/gm)].map(([, each]) => each)
    const ofFiles = ['TLS_INVALID', 'CA_UNREADABLE', 'HTPASSWD_UNREADABLE', 'AUDIT_WEBHOOK_INVALID']
    for (const each of [...ofFiles, 'KUBECONFIG_MISSING', 'POLICY_SOURCES', 'POLICY_INVALID'])
      assert.ok(codes.includes(each), `${each}\n${stderr}`)
    assert.match(stderr, /bad\.crt holds no certificate in PEM/)
    assert.match(stderr, /a\.yaml:\d+:\d+: error: /)
    const clients = await check(['--client-ca', put('ca.pem', 'x')])
    assert.match(clients.stderr, /CLIENT_CA_INVALID/)
    const open = await check(['--listen', '0.0.0.0:5000'])
    assert.match(open.stderr, /PLAIN_HTTP_REFUSED/)
    const unread = await check(['--policy-dir', none])
    assert.match(unread.stderr, /POLICY_UNREADABLE/)
  })

  const none = join(folder, 'none')
  const file = put('a-file', 'x')
  const holding = (name: string, path: string): string => {
    const held = join(folder, name)
    mkdirSync(join(held, dirname(path)), { recursive: true })
    put(join(name, path), 'x')
    return held
  }
  const database = 'postgres://trow@127.0.0.1:1/trow'
  const rows: readonly (readonly [code: string, args: readonly string[]])[] = [
    ['DATABASE_FILE_UNREADABLE', ['--database', database, '--database-password-file', none]],
    ['DATABASE_FILE_UNREADABLE', ['--database', `${database}?sslmode=verify-full&sslrootcert=${none}`]],
    ['CONFIG_INVALID', ['--database-password-file', file]],
    ['CONFIG_INVALID', ['--s3-region', 'eu-west-1']],
    ['FOLDER_NOT_WRITABLE', ['--data', file]],
    ['FOLDER_NOT_WRITABLE', ['--data', join(file, 'data')]],
    ['OTHER_ENGINE', ['--data', holding('in-database', 'database-id')]],
    ['CONTENT_IN_FOLDER', ['--data', holding('blobs-here', 'blobs/aa/blob'), '--s3', 's3://bucket/prefix']],
    ['AUDIT_UNUSABLE', ['--audit', 'on', '--audit-folder', join(file, 'audit')]],
    ['LISTEN_FAILED', ['--listen', 'registry.invalid:5000', '--plain-http']],
    ['KUBECONFIG_MISSING', ['--audit', 'on', '--audit-heads', 'trow/heads', '--kubeconfig', none]],
    ['KUBECONFIG_MISSING', ['--policy-cluster', '--kubeconfig', none]],
  ]
  test('finds that a folder and a database do not belong together, which the start asks the database first', async () => {
    const { stderr } = await check(['--data', holding('in-folder', 'trow.db'), '--database', database])
    assert.match(stderr, /^trow: .* holds a registry whose metadata is in the folder itself \(OTHER_ENGINE\)/)
  })

  for (const [code, args] of rows) {
    test(`finds ${code} of ${args.join(' ').replaceAll(folder, '')} as the start does`, async () => {
      const checked = await check(args)
      assert.equal(checked.code, 79, checked.stderr)
      const [line = ''] = checked.stderr.split('\n')
      assert.match(line, new RegExp(`\\(${code}\\)$`))
      const start = await runTrow([
        'serve',
        '--listen',
        '127.0.0.1:0',
        '--data',
        join(folder, 'start'),
        ...args,
      ])
      assert.notEqual(start.code, 0)
      assert.ok(start.output.includes(line), `${line}\n${start.output}`)
      assert.ok(!existsSync(data))
    })
  }
})

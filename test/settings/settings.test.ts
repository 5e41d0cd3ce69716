import assert from 'node:assert/strict'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { printSettings } from '../../src/settings/print-settings.ts'
import { resolveSettings } from '../../src/settings/settings.ts'
import { settingInfo } from '../../src/settings/setting-info.ts'
import { commandVariables, variableOf } from '../../src/settings/settings-variables.ts'
import { runCommand } from '../support/run-trow.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-settings-'))
after(() => rmSync(folder, { recursive: true }))
const sourceFolder = fileURLToPath(new URL('../../src', import.meta.url))

function config(text: string): string {
  const path = join(folder, 'trow.yaml')
  writeFileSync(path, text)
  return path
}

async function effective(args: string[], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await runCommand(['serve', '--print-config', ...args], { env })
  assert.equal(code, 0, stderr)
  return stdout
}

test('a flag outranks its variable, that the file, that the default', async () => {
  const path = config('gc-grace: 3h\n')
  assert.match(await effective([]), /^gc-grace: 24h # default$/m)
  assert.match(await effective(['--config', path]), /^gc-grace: 3h # .*trow\.yaml$/m)
  const env = { TROW_GC_GRACE: '2h' }
  assert.match(await effective(['--config', path], env), /^gc-grace: 2h # TROW_GC_GRACE$/m)
  assert.match(await effective(['--config', path, '--gc-grace', '1h'], env), /^gc-grace: 1h # --gc-grace$/m)
})

test('the printed settings are a trow.yaml that means the same', async () => {
  const args = [
    '--listen',
    '[::1]:5000',
    '--tls-san',
    'a.example,b.example',
    '--reserve',
    '1GiB',
    '--access-log',
    'off',
  ]
  const printed = await effective(args)
  const again = await effective(['--config', config(printed)])
  const values = (text: string): string => text.replaceAll(/ # .*/g, '')
  assert.equal(values(again), values(printed))
})

test('rules and issuers of a trow.yaml are printed as it takes them', async () => {
  const path = config(`
untagged: [{ repositories: "ci/**", after: 36h }, { repositories: "**", keep: true }]
access: [{ who: alice, repositories: ["a/**"], actions: pull }, { who: bob, repositories: b, actions: [pull], deny: true }]
oidc:
  - { issuer: "https://issuer.example", username-claim: email, groups-claim: groups, prefix: "x:", claims: { team: a } }
`)
  const printed = await effective(['--config', path])
  const again = await effective(['--config', config(printed)])
  const values = (text: string): string => text.replaceAll(/ # .*/g, '')
  assert.equal(values(again), values(printed))
  assert.match(printed, /"after":"36h"/)
})

test('any text is printed so that it is read back as it is', async () => {
  const texts = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.constantFrom('1e3', 'true', 'a:', '~', '-', '0x1f', 'null'),
  )
  await fc.assert(
    fc.asyncProperty(texts, async (value) => {
      const flags = { htpasswd: value }
      const given = await resolveSettings({ flags, env: {}, file: undefined, cores: 1 })
      const read = await resolveSettings({ flags: {}, env: {}, file: config(printSettings(given)), cores: 1 })
      assert.equal(read.settings.htpasswd, value)
    }),
    { numRuns: 200 },
  )
})

test('secrets are printed as references to files only, and what is missing is said first', async () => {
  const token = 'https://hooks.example/T0/secret-path?token=hidden'
  const printed = await effective([], {
    TROW_AUDIT_WEBHOOK: token,
    TROW_AUDIT_WEBHOOK_SECRET: '/etc/trow/key',
  })
  assert.doesNotMatch(printed, /hooks|hidden/)
  assert.match(printed, /^# Missing here, because they may hold a secret: audit-webhook\n/)
  assert.match(printed, /^# audit-webhook: \(not shown: .*\) # TROW_AUDIT_WEBHOOK$/m)
  assert.match(printed, /^audit-webhook-secret: \/etc\/trow\/key # /m)
  assert.equal((await runCommand(['serve', '--print-config', '--config', config(printed)])).code, 0)
  const file = await effective([], { TROW_AUDIT_WEBHOOK: 'file:///etc/trow/webhook' })
  assert.match(file, /^audit-webhook: file:\/\/\/etc\/trow\/webhook # /m)
})

test('variables of other programs are named and ignored; those of Kubernetes and of other commands not even named', async () => {
  const env = {
    TROW_CI_PASSWORD: 'x',
    TROW_NAMESPACE: 'team',
    TROW_REGISTRY: 'localhost:5000',
    TROW_REGISTRY_SERVICE_HOST: '10.0.0.1',
    TROW_REGISTRY_SERVICE_PORT: '5000',
    TROW_REGISTRY_SERVICE_PORT_HTTPS: '5000',
    TROW_REGISTRY_PORT: 'tcp://10.0.0.1:5000',
    TROW_REGISTRY_PORT_5000_TCP: 'tcp://10.0.0.1:5000',
    TROW_REGISTRY_PORT_5000_TCP_ADDR: '10.0.0.1',
  }
  const { code, stderr } = await runCommand(['serve', '--print-config'], { env })
  assert.equal(stderr, 'trow: TROW_CI_PASSWORD is no setting of trow, and is ignored\n')
  assert.equal(code, 0)
})

test('every variable that a command reads is a setting or known as the command’s', () => {
  const known = [
    ...Object.keys(settingInfo).map((name) => variableOf(name)),
    ...Object.keys(commandVariables),
  ]
  const sources = globSync('**/*.ts', { cwd: sourceFolder, exclude: ['**/settings-variables.ts'] })
  const read = sources.flatMap((file) =>
    [...readFileSync(join(sourceFolder, file), 'utf8').matchAll(/'(TROW_\w+)'/g)].map(
      ([, name]) => name ?? '',
    ),
  )
  assert.ok(read.length > 5)
  assert.deepEqual(
    read.filter((name) => !known.includes(name)),
    [],
  )
})

test('variables that Kubernetes sets for a Service named trow are not ours', async () => {
  await effective([], {
    TROW_SERVICE_HOST: '10.0.0.1',
    TROW_PORT: 'tcp://10.0.0.1:443',
    TROW_PORT_443_TCP: 'x',
  })
})

const refused: readonly (readonly [
  name: string,
  args: string[],
  env: Record<string, string>,
  message: RegExp,
])[] = [
  ['an unknown key', ['--config', 'FILE:gc-grase: 1h'], {}, /CONFIG_UNKNOWN_KEY[^]*"gc-grace"/],
  ['an unknown variable', [], { TROW_LISTN: 'x' }, /CONFIG_UNKNOWN_KEY[^]*"TROW_LISTEN"/],
  [
    'a variable two letters from a setting',
    [],
    { TROW_HTPASWD: 'x' },
    /CONFIG_UNKNOWN_KEY[^]*"TROW_HTPASSWD"/,
  ],
  [
    'a variable for what only a file holds',
    [],
    { TROW_ACCESS: '[]' },
    /TROW_ACCESS: "access" cannot be given/,
  ],
  ['a port that looks like a setting', [], { TROW_LISTEN_: 'x' }, /CONFIG_UNKNOWN_KEY/],
  ['an unknown flag', ['--lisen', 'x'], {}, /unknown option '--lisen'[^]*--listen/],
  ['no address', ['--listen', 'nowhere'], {}, /--listen: "nowhere" is no address/],
  ['no size', ['--reserve', 'much'], {}, /--reserve: "much" is no size/],
  ['no duration', ['--gc-grace', '24'], {}, /--gc-grace: "24" is no duration/],
  ['no switch', ['--access-log', 'maybe'], {}, /--access-log: "maybe" is neither on nor off/],
  ['no whole number', ['--workers', 'two'], {}, /--workers: "two" is no whole number/],
  ['a rule without a limit', ['--config', 'FILE:untagged: [{ repositories: a }]'], {}, /needs either/],
  ['a file that is none', ['--config', '/nonexistent/trow.yaml'], {}, /CONFIG_UNREADABLE/],
  ['broken YAML', ['--config', 'FILE:listen: [1'], {}, /CONFIG_INVALID[^]*/],
  ['TLS with half a pair', ['--tls-cert', 'x'], {}, /TLS_INCOMPLETE/],
]

const faults: readonly (readonly [text: string, message: string])[] = [
  ['listen: [1', '1:11: the line is not indented as its place needs, or a bracket before it is not closed'],
  ['\tlisten: x', '1:1: a line begins with a tab; YAML is indented by spaces'],
  ['listen: "a\n', '2:1: a sign is missing here: a quote, a bracket, a comma, a colon or a space'],
  [
    'data: "a\\q"',
    '1:9: a backslash in double quotes begins no known escape; single quotes take it as it is',
  ],
  ['data: a: b: c', '1:7: this is no YAML: check quotes, brackets, colons and the indent'],
  ['data: a\ndata: b', '2:1: this name stands in the file twice'],
  ['data: *a', '1:7: an alias (*name) has no anchor (&name) before it'],
  ['data: a\n---\ndata: b', '2:1: a second document begins here; a trow.yaml is one'],
  ['- data', '1:1: the file must hold "name: value" lines'],
  ['data: a\nlistn: x', '2:1: there is no setting "listn"'],
  ['gc-grace:', '1:10: gc-grace: has no value'],
  ['htpasswd: ""', '1:11: htpasswd: "" is empty'],
  ['tls-san: {a: 1}', '1:10: tls-san: must be a list or text'],
  ['workers: 0', '1:10: workers: 0 must be at least 1'],
  ['untagged: 7', '1:11: untagged: 7 must be a list'],
  ['audit-webhook: [secret]', '1:16: audit-webhook: (not shown) must be text'],
  ['oidc:\n  - audience: x', '2:5: oidc[0].issuer: is missing'],
  ['access:\n  - who: [1]', '2:10: access[0].who: [0] must be text'],
  ['access:\n  - whom: a', '2:5: access[0].who: is missing'],
  [
    'access:\n  - {who: a, repositories: a, actions: [], extra: 1}',
    '2:40: access[0].actions: must name at least one',
  ],
]

test('every error of a trow.yaml has its line and column, the name of the setting and no word of a library', async () => {
  for (const [text, message] of faults) {
    const path = config(text)
    const sources = { flags: {}, env: {}, file: path, cores: 1 }
    await assert.rejects(resolveSettings(sources), ({ message: said }: Error) => {
      assert.equal(said, `${path}:${message}`)
      return true
    })
  }
})

for (const [name, args, env, message] of refused) {
  test(`${name} is refused in words`, async () => {
    const given = args.map((arg) => (arg.startsWith('FILE:') ? config(arg.slice('FILE:'.length)) : arg))
    const print = name.startsWith('TLS') ? [] : ['--print-config']
    const { code, stderr } = await runCommand(['serve', ...print, ...given], { env })
    assert.match(stderr, message)
    assert.equal(code, 2)
  })
}

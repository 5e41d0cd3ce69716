import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { chosenImage } from '../../../src/cli/install/chosen-image.ts'
import { installSettings, type InstallOptions } from '../../../src/cli/install/install-options.ts'
import { defaultInstallSettings, type InstallSettings } from '../../../src/install/install-settings.ts'
import { UserError } from '../../../src/user-error.ts'
import { runCommand } from '../../support/run-trow.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-install-'))
after(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

function settings(options: InstallOptions, last?: Partial<InstallSettings>): InstallSettings {
  const before = last === undefined ? undefined : { ...defaultInstallSettings, ...last }
  return installSettings(options, { namespace: 'trow', last: before })
}

test('without a terminal and without -y everything that is in the way is said in one run', async () => {
  const { code, stderr } = await runCommand(['install', '--kubeconfig', '/nowhere'])
  assert.equal(code, 1)
  assert.match(stderr, /KUBECONFIG_MISSING/)
  assert.match(stderr, /Nobody is there to confirm, either: add --yes\.$/m)
  const confirmed = await runCommand(['install', '-y', '--kubeconfig', '/nowhere'])
  assert.doesNotMatch(confirmed.stderr, /confirm/)
})

test('no kubeconfig is said in one line', async () => {
  const { code, stderr } = await runCommand(['install', '-y', '--kubeconfig', '/nowhere'])
  assert.equal(code, 1)
  assert.match(stderr, /^trow: there is no kubeconfig at \/nowhere \(KUBECONFIG_MISSING\)/)
})

test('--dry-run=client prints a set on stdout alone, without secrets, as YAML and as JSON', async () => {
  const asYaml = await runCommand([
    'install',
    '--dry-run=client',
    '-o',
    'yaml',
    '--host',
    'registry.example.com',
  ])
  assert.deepEqual([asYaml.code, asYaml.stderr], [0, ''])
  const documents = parseAllDocuments(asYaml.stdout).map((each) => {
    assert.deepEqual(each.errors, [])
    return each.toJS() as { kind: string }
  })
  assert.ok(documents.length > 25)
  assert.ok(documents.every(({ kind }) => kind !== 'Secret'))
  const asJson = await runCommand([
    'install',
    '--dry-run=client',
    '-o',
    'json',
    '--host',
    'registry.example.com',
  ])
  assert.deepEqual((JSON.parse(asJson.stdout) as { items: unknown[] }).items, documents)
})

test('--dry-run=client prints the first policy only when it is asked for, and nothing that kubectl reads otherwise', async () => {
  const print = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout } = await runCommand(['install', '--dry-run=client', ...args])
    assert.equal(code, 0)
    return stdout
  }
  const [without, asked] = [await print(), await print('--with-baseline')]
  const kinds = (text: string, version: '1.1' | '1.2' = '1.2'): string[] =>
    parseAllDocuments(text, { version }).map((each) => (each.toJS() as { kind: string }).kind)
  assert.ok(!kinds(without).includes('TrowPolicy'))
  assert.deepEqual(
    kinds(asked).filter((kind) => kind === 'TrowPolicy'),
    ['TrowPolicy'],
  )
  assert.deepEqual(kinds(without).slice(0, 4), [
    'Namespace',
    'Namespace',
    'CustomResourceDefinition',
    'CustomResourceDefinition',
  ])
  // YAML 1.1, where off, yes and no are booleans.
  const old = parseAllDocuments(asked, { version: '1.1' }).map((each) => each.toJS() as unknown)
  assert.deepEqual(
    old,
    parseAllDocuments(asked).map((each) => each.toJS() as unknown),
  )
})

for (const [args, code, hint] of [
  [['--replicas', '3'], 'REPLICAS_UNSUPPORTED', /one pod/],
  [['--tls-secret', 'x'], 'OPTIONS_CONFLICT', /--host/],
  [['--ingress-class', 'nginx'], 'OPTIONS_CONFLICT', /--host/],
  [['--ingress-class', 'nginx', '--host', 'a.example'], 'OPTIONS_CONFLICT', /--trusted-proxies CIDR/],
  [['--trusted-proxies', 'ingress'], 'OPTION_INVALID', /10\.244/],
  [['--trusted-proxies', '10.0.0.0/8,0.0.0.0/0'], 'OPTION_INVALID', /alone/],
  [['--service-type', 'LoadBalancer'], 'OPTIONS_CONFLICT', /--host/],
  [['--node-port', '31000'], 'OPTIONS_CONFLICT', /NodePort/],
  [['--node-port', 'http', '--service-type', 'NodePort'], 'OPTION_INVALID', /30000/],
  [['--host', 'https://a.example'], 'OPTION_INVALID', /without a port/],
  [['--storage', 'local:relative'], 'OPTION_INVALID', /local:NODE/],
  [['--storage', 'local:/a/../b'], 'OPTION_INVALID', /local:NODE/],
  [['--storage', 'local:/srv'], 'OPTION_INVALID', /local:\/srv\/trow/],
  [['--storage-size', 'large'], 'OPTION_INVALID', /20Gi/],
  [['--storage', 'ephemeral', '--storage-class', 'fast'], 'OPTIONS_CONFLICT', /Leave one/],
  [['-n', 'Trow'], 'NAMESPACE_INVALID', /Small letters/],
  [['--pull-identity', 'service-account', '--no-trust-nodes'], 'OPTIONS_CONFLICT', /--trust-nodes/],
] as const) {
  test(`${args.join(' ')}: ${code}`, async () => {
    const result = await runCommand(['install', '--dry-run=client', ...args])
    assert.equal(result.code, 2)
    assert.equal(result.stdout, '')
    assert.match(result.stderr, new RegExp(`\\(${code}\\)`))
    assert.match(result.stderr, hint)
  })
}

test('a trow.yaml of one’s own is checked before anything else', async () => {
  const install = (text: string): ReturnType<typeof runCommand> =>
    runCommand(['install', '--dry-run=client', '--config', file('trow.yaml', text)])
  assert.match((await install('gc-grce: 1h\n')).stderr, /Did you mean "gc-grace"/)
  assert.match((await install('gc-grace: soon\n')).stderr, /CONFIG_INVALID/)
  assert.match(
    (await install('tls-san: 7\n')).stderr,
    /--config: tls-san: \[\d\] must be text \(CONFIG_INVALID\)/,
  )
  assert.match((await install('data: /other\n')).stderr, /CONFIG_NOT_HERE/)
  for (const text of ['quite-another: 1\n', 'tls-san: 7\n']) {
    const { stderr } = await install(text)
    assert.match(
      stderr,
      /\n {2}Correct it and type trow install --config \S+trow\.yaml again; trow serve --help /,
    )
  }
  const { stdout } = await install(
    'gc-grace: 12h\naccess:\n  - { who: ci, repositories: "a/**", actions: push }\n',
  )
  assert.match(stdout, /gc-grace: 12h/)
  assert.match(stdout, /who: ci/)
})

test('what is not asked for stays as the last install had it', () => {
  const last = { host: 'a.example', clients: ['dev'], trustNodes: false, anonymousPull: true }
  assert.deepEqual(settings({}, last), { ...defaultInstallSettings, ...last })
  const changed = settings({ anonymousPull: false, clients: ['ci'], trustNodes: true }, last)
  assert.deepEqual(changed, { ...defaultInstallSettings, host: 'a.example', clients: ['ci'] })
  assert.deepEqual(settings({ reset: true }, last), defaultInstallSettings)
  const pullIdentity = 'service-account'
  assert.equal(settings({ pullIdentity }, {}).pullIdentity, pullIdentity)
  assert.equal(settings({}, { pullIdentity }).pullIdentity, pullIdentity)
  assert.equal(settings({ pullIdentity: 'node' }, { pullIdentity }).pullIdentity, 'node')
})

test('a local folder keeps its node, unless another is named', () => {
  const storage = { kind: 'local', size: '20Gi', path: '/srv', node: 'n2' } as const
  assert.deepEqual(settings({ storage: 'local:/srv' }, { storage }).storage, storage)
  assert.deepEqual(settings({ storage: 'local:n1:/srv' }, { storage }).storage, { ...storage, node: 'n1' })
  assert.deepEqual(settings({ storageSize: '1Ti' }, { storage }).storage, { ...storage, size: '1Ti' })
})

test('an image of one’s own goes along with an upgrade where its tag is the version', () => {
  const chosen = (image: string | undefined, before: string): string => {
    const last = { ...defaultInstallSettings, ...(image === undefined ? {} : { image }) }
    const remembered = {
      settings: last,
      version: before,
      schema: 1,
      clusterIps: [],
      nodePort: undefined,
      baseline: true,
    }
    return chosenImage(last, remembered, '0.2.0').reference
  }
  assert.equal(chosen('mirror.example/trow:0.1.0', '0.1.0'), 'mirror.example/trow:0.2.0')
  assert.equal(chosen('mirror.example/trow:stable', '0.1.0'), 'mirror.example/trow:stable')
  assert.match(chosen(undefined, '0.1.0'), /:0\.2\.0$/)
})

test('settings that cannot be are refused with usage as exit code', () => {
  assert.throws(
    () => settings({ storage: 'floppy' }),
    (error: unknown) => error instanceof UserError && error.exitCode === 2,
  )
})

test('what the next CA is to speak for is checked before any cluster is asked', async () => {
  const rotate = (...args: readonly string[]): ReturnType<typeof runCommand> =>
    runCommand(['ca', 'rotate', '--kubeconfig', '/nowhere', ...args])
  const both = await rotate('--finish', '--host', 'registry.example.com')
  assert.equal(both.code, 2)
  assert.match(both.stderr, /OPTIONS_CONFLICT/)
  const port = await rotate('--host', 'registry.example.com:443')
  assert.equal(port.code, 2)
  assert.match(port.stderr, /without a port/)
  assert.match((await rotate('--host', '203.0.113.7')).stderr, /KUBECONFIG_MISSING/)
})

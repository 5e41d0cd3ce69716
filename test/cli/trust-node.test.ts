import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { binary, missingBinaries } from '../support/cluster-binaries.ts'
import { checkResult } from '../support/check-result.ts'
import { runCommand } from '../support/run-trow.ts'
import { makeCa, makePair } from '../trust/authorities.ts'
import { MachineTree } from '../trust/machine-tree.ts'

const config = '/etc/containerd/config.toml'
const set =
  'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
/** A machine without Kubernetes. Its containerd is installed, but must not be run by this test. */
const vm = { [config]: set, '/usr/bin/containerd': '#!/bin/false\n' }
const folder = '/etc/containerd/certs.d/registry.example.com_5000_'

/** A folder outside of the machines, where a user would keep the CA. */
const own = mkdtempSync(join(tmpdir(), 'trow-ca-'))
const file = join(own, 'ca.crt')
before(async () => writeFileSync(file, await makeCa()))
after(() => rmSync(own, { recursive: true }))

function machine(tree: Readonly<Record<string, string>>): {
  readonly tree: MachineTree
  readonly args: readonly string[]
} {
  const made = new MachineTree(tree)
  return {
    tree: made,
    args: ['--host-root', made.root, '--registry', 'https://registry.example.com:5000', '--ca', file],
  }
}

test('a machine without Kubernetes is made to trust a registry, once, and taken back', async () => {
  const { tree, args } = machine(vm)
  using _ = tree
  const untouched = tree.all()

  const dry = await runCommand(['trust-node', ...args, '--dry-run'])
  assert.equal(dry.code, 0, dry.stderr)
  assert.match(dry.stdout, new RegExp(`^--- /dev/null\\n\\+\\+\\+ ${folder}/ca.crt\\n@@ `))
  assert.match(dry.stdout, /^\+server = "https:\/\/registry\.example\.com:5000"$/m)
  assert.deepEqual(tree.all(), untouched)

  const done = await runCommand(['trust-node', ...args])
  assert.equal(done.code, 0, done.stderr)
  assert.equal(done.stdout, `created ${folder}/ca.crt\ncreated ${folder}/hosts.toml\n`)
  assert.match(done.stderr, /this machine: containerd/)

  const again = await runCommand(['trust-node', ...args])
  assert.equal(again.code, 0)
  assert.equal(again.stdout, '')
  assert.match(again.stderr, /nothing to change/)

  const dryUndo = await runCommand(['trust-node', '--host-root', tree.root, '--undo', '--dry-run'])
  assert.match(dryUndo.stdout, /^-server = /m)
  const undone = await runCommand(['trust-node', '--host-root', tree.root, '--undo'])
  assert.equal(undone.code, 0)
  assert.equal(undone.stdout, `removed ${folder}/hosts.toml\nremoved ${folder}/ca.crt\n`)
  assert.deepEqual(tree.all(), untouched)
})

test('as the service accounts of pods, where no kubelet hands their tokens over: said, and 79', async () => {
  const { tree, args } = machine(vm)
  using _ = tree
  const { code, stdout, stderr } = await runCommand([
    'trust-node',
    ...args,
    '--pull-identity',
    'service-account',
  ])
  assert.equal(code, 79, stderr)
  assert.equal(stdout, `created ${folder}/ca.crt\ncreated ${folder}/hosts.toml\n`)
  assert.match(stderr, /note: no kubelet runs here .*\(PULL_IDENTITY_KUBELET\)/)
})

test('machines read what was found and changed as JSON', async () => {
  const { tree, args } = machine(vm)
  using _ = tree
  const { code, stdout } = await runCommand(['trust-node', ...args, '-o', 'json'])
  assert.equal(code, 0)
  const { facts, changes, problems, isDryRun } = checkResult('NodeTrust', stdout)
  assert.deepEqual(
    changes.map(({ path }) => path),
    [`${folder}/ca.crt`, `${folder}/hosts.toml`],
  )
  assert.equal(facts.class, 'direct')
  assert.deepEqual([problems, isDryRun], [[], false])
})

test('a registry behind several addresses keeps its name, in both spellings of the usual port', async () => {
  const { tree } = machine(vm)
  using _ = tree
  const { code } = await runCommand([
    'trust-node',
    '--host-root',
    tree.root,
    '--ca',
    file,
    '--host=trow.trow.svc',
    '--registry=https://127.0.0.1:29443',
    '--registry=https://10.96.7.7/',
  ])
  assert.equal(code, 0)
  const text = tree.read('/etc/containerd/certs.d/trow.trow.svc_443_/hosts.toml')
  assert.deepEqual(
    [...text.matchAll(/^(?:server = |\[host\.)"(.*?)"/gm)].map(([, url]) => url),
    ['https://127.0.0.1:29443', 'https://127.0.0.1:29443', 'https://10.96.7.7:443'],
  )
  assert.equal(tree.read('/etc/containerd/certs.d/trow.trow.svc/hosts.toml').includes('10.96.7.7'), true)
})

test('a certificate is named as it is given, and left out with a word when it cannot be used', async () => {
  const { tree, args } = machine(vm)
  using _ = tree
  const missing = await runCommand(['trust-node', ...args, '--client-cert', '/etc/me.pem'])
  assert.equal(missing.code, 0)
  assert.match(missing.stderr, /\/etc\/me\.pem is not there.*IDENTITY_UNUSABLE/)
  assert.doesNotMatch(tree.read(`${folder}/hosts.toml`), /client/)
  const { cert, key } = await makePair()
  tree.write('/etc/me.pem', cert + key)
  assert.equal((await runCommand(['trust-node', ...args, '--client-cert', '/etc/me.pem'])).code, 0)
  assert.match(tree.read(`${folder}/hosts.toml`), /^client = \["\/etc\/me\.pem"\]$/m)
  await runCommand(['trust-node', ...args, '--no-client-cert'])
  assert.doesNotMatch(tree.read(`${folder}/hosts.toml`), /client/)
})

test('a runtime that reads no folder of registries is a problem that says what to do', async () => {
  const { tree, args } = machine({ ...vm, [config]: 'version = 2\n' })
  using _ = tree
  const { code, stderr } = await runCommand(['trust-node', ...args])
  assert.equal(code, 79)
  assert.match(
    stderr,
    /config_path is not set in \/etc\/containerd\/config\.toml \(CONFIG_PATH_UNSET\)\n {2}.*--restart-runtime/,
  )
})

for (const [what, args, code] of [
  ['no registry', ['--ca', 'x'], 'REGISTRY_NOT_GIVEN'],
  ['plain HTTP', ['--ca', 'x', '--registry', 'http://127.0.0.1:8000'], 'HOST_INVALID'],
  ['a CA that is not there', ['--ca', '/no/ca.crt', '--registry', 'https://h:5000'], 'FILE_MISSING'],
  ['a host with a path', ['--ca', 'x', '--registry', 'https://h', '--host', '!'], 'HOST_INVALID'],
] as const) {
  test(`${what} is refused`, async () => {
    using tree = new MachineTree(vm)
    const untouched = tree.all()
    const result = await runCommand(['trust-node', '--host-root', tree.root, ...args])
    assert.notEqual(result.code, 0)
    assert.match(result.stderr, new RegExp(`\\(${code}\\)`))
    assert.deepEqual(tree.all(), untouched)
  })
}

test('a platform with tools of its own gets their commands', async () => {
  const { tree, args } = machine({ ...vm, '/etc/os-release': 'NAME="Talos"\nID=talos\n' })
  using _ = tree
  const { code, stdout, stderr } = await runCommand(['trust-node', ...args])
  assert.equal(code, 79)
  assert.match(stderr, /PLATFORM_MANAGED/)
  assert.match(stdout, /^ {2}talosctl --nodes NODE patch mc/m)
  const json = await runCommand(['trust-node', ...args, '-o', 'json'])
  const { commands } = checkResult('NodeTrust', json.stdout)
  assert.equal(`${commands}\n`, stdout)
})

test(
  'the version is asked of the containerd in the root folder',
  { skip: missingBinaries().includes('containerd') ? 'containerd 2.3 has not been built' : false },
  async () => {
    const { tree, args } = machine({ '/usr/bin/': '', '/etc/containerd/': '' })
    using _ = tree
    const program = join(tree.root, '/usr/bin/containerd')
    copyFileSync(binary('containerd'), program)
    chmodSync(program, 0o755)
    const { stdout } = await runCommand(['trust-node', ...args, '--dry-run', '-o', 'json'])
    const { facts } = checkResult('NodeTrust', stdout)
    assert.deepEqual(facts.runtime, { name: 'containerd', version: '2.3.7' })
    assert.equal(facts.class, 'colon')
  },
)

import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { IssuedCertificate, issuedFile } from '../../src/agent/issued-certificate.ts'
import { issueNodeCertificate, makeAuthority } from '../../src/certificates/certificate-authority.ts'
import { installSettings } from '../../src/cli/install/install-options.ts'
import { defaultInstallSettings } from '../../src/install/install-settings.ts'
import { makeSteps } from '../../src/trust/machine-edit.ts'
import { MachineFiles } from '../../src/trust/machine-files.ts'
import { MachineTree } from '../trust/machine-tree.ts'

/** User and group of the registry's pod. */
const pod = 65_532
const old = '/var/lib/trow/node-client.pem'
const target = '/etc/profile.d/trow.sh'

suite('links of the registry’s pod in folders of the agent', { skip: process.getuid?.() !== 0 }, () => {
  let tree: MachineTree
  const at = (path: string): string => join(tree.root, path)
  const plant = (path: string, to: string): void => {
    symlinkSync(to, at(path))
    lchownSync(at(path), pod, pod)
  }
  beforeEach(() => {
    tree = new MachineTree({ '/etc/profile.d/': '', '/var/lib/trow/': '', '/etc/keep/file': 'keep' })
    // The kubelet leaves a local volume in this state when the pod has an fsGroup.
    chownSync(at('/var/lib/trow'), 0, pod)
    chmodSync(at('/var/lib/trow'), 0o2775)
  })
  afterEach(() => tree[Symbol.dispose]())

  async function issued(): Promise<IssuedCertificate> {
    const authority = await makeAuthority(['trow.trow.svc'], [], crypto as Crypto)
    return new IssuedCertificate({
      hostRoot: tree.root,
      node: 'n1',
      now: () => Date.now(),
      token: async () => 'a.token.of-the-agent',
      crypto: crypto as Crypto,
      ask: async (request) =>
        `# free text\n${await issueNodeCertificate(authority, { node: 'n1', request, life: 86_400_000 }, crypto as Crypto)}rm -r /\n`,
    })
  }

  test('--storage local:/var/lib/trow: no certificate goes where a link there leads, and no target is deleted', async () => {
    plant(old, target)
    plant(`${old}.new`, target)
    const certificate = await issued()
    await certificate.adopt()
    assert.equal(await certificate.current(), undefined)
    await certificate.renew()
    assert.equal(existsSync(at(target)), false)
    assert.equal(lstatSync(at(issuedFile)).mode & 0o7777, 0o600)
    assert.equal(lstatSync(at('/var/lib/trow-node')).mode & 0o7777, 0o700)
    assert.doesNotMatch(tree.read(issuedFile), /free text|rm -r/)
    tree.write(target, 'of root')
    await certificate.removeBefore()
    await certificate.remove()
    assert.equal(tree.read(target), 'of root')
    assert.ok(lstatSync(at(old)).isSymbolicLink(), 'what is the pod’s stays')
  })

  test('what the pod has put there is taken over by nobody, and what an agent has left is', async () => {
    const certificate = await issued()
    await certificate.renew()
    const pem = tree.read(issuedFile)
    await certificate.remove()
    tree.write(old, pem)
    chownSync(at(old), pod, pod)
    await certificate.adopt()
    assert.equal(await certificate.current(), undefined)
    chownSync(at(old), 0, 0)
    chmodSync(at(old), 0o600)
    await certificate.adopt()
    assert.notEqual(await certificate.current(), undefined)
    assert.ok(existsSync(at(old)), 'runtimes name it until hosts.toml is written')
    assert.equal(await certificate.removeBefore(), true)
    assert.equal(existsSync(at(old)), false)
    assert.notEqual(await certificate.current(), undefined)
  })

  test('links in the agent’s own folder, and the folder itself as a link or open to others, are not followed', async () => {
    mkdirSync(at('/var/lib/trow-node'), { mode: 0o700 })
    symlinkSync(target, at(issuedFile))
    symlinkSync(target, at(`${issuedFile}.new`))
    const certificate = await issued()
    await certificate.renew()
    assert.ok(lstatSync(at(issuedFile)).isFile())
    assert.equal(existsSync(at(target)), false)
    chmodSync(at('/var/lib/trow-node'), 0o777)
    await assert.rejects(certificate.renew(), /others than root may write/)
    rmSync(at('/var/lib/trow-node'), { recursive: true })
    chownSync(at('/var/lib'), pod, pod)
    plant('/var/lib/trow-node', '/etc/profile.d')
    await assert.rejects(certificate.renew(), { code: 'LINK_FOREIGN' })
    assert.equal(existsSync(at('/etc/profile.d/node-client.pem')), false)
  })

  test('no step of an edit goes through a link that somebody else could have made', async () => {
    plant('/var/lib/trow/certs.d', '/etc/profile.d')
    const files = new MachineFiles(tree.root)
    const path = '/var/lib/trow/certs.d/hosts.toml'
    const write = { kind: 'write', path, text: 'x' } as const
    const link = { kind: 'link', path, target: '/x' } as const
    const remove = { kind: 'remove', path: '/var/lib/trow/away/file', before: '', made: [] } as const
    plant('/var/lib/trow/away', '/etc/keep')
    for (const step of [write, link, remove])
      await assert.rejects(makeSteps(files, [step]), { code: 'LINK_FOREIGN' }, step.kind)
    await assert.rejects(files.resolve('/var/lib/trow/certs.d/x'), { code: 'LINK_FOREIGN' })
    assert.equal(existsSync(at('/etc/profile.d/hosts.toml')), false)
    assert.equal(tree.read('/etc/keep/file'), 'keep')
    // Links that root owns are followed.
    symlinkSync('/etc/profile.d', at('/etc/certs.d'))
    await makeSteps(files, [{ kind: 'write', path: '/etc/certs.d/hosts.toml', text: 'x' }])
    assert.equal(tree.read('/etc/profile.d/hosts.toml'), 'x')
  })
})

test('--storage local: no folder of the agents, of the system, or above them', () => {
  const asked = (path: string, last = defaultInstallSettings): unknown =>
    installSettings({ storage: `local:n1:${path}` }, { namespace: 'trow', last }).storage
  const refused = [
    '/',
    '/var',
    '/var/lib',
    '/var/lib/',
    '/var/lib//trow-node',
    '/var/lib/trow-node/x',
    '/etc',
  ]
  for (const path of [...refused, '/etc/trow', '/usr/local', '/var/lib/kubelet/pods', '/home', '/srv/./'])
    assert.throws(() => asked(path), { code: 'OPTION_INVALID' }, path)
  for (const path of ['/srv/trow', '/var/lib/trow', '/var/lib/trow-nodes', '/mnt/disk/trow', '/var/tmp/trow'])
    assert.deepEqual(asked(path), { kind: 'local', size: '20Gi', path, node: 'n1' })
  const storage = { kind: 'local', size: '20Gi', path: '/var/lib', node: 'n1' } as const
  assert.deepEqual(asked('/var/lib', { ...defaultInstallSettings, storage }), storage)
})

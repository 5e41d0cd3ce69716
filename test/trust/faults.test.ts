import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { inspectMachine } from '../../src/trust/inspect-machine.ts'
import type { MachineOptions, NodeTrust, EditOptions } from '../../src/trust/node-trust.ts'
import { trustMachine } from '../../src/trust/trust-machine.ts'
import { untrustMachine } from '../../src/trust/untrust-machine.ts'
import { UserError } from '../../src/user-error.ts'
import { agentTrust, makePair } from './authorities.ts'
import { MachineTree, type Tree } from './machine-tree.ts'
import { nodeOf } from './platforms.ts'

let trust: NodeTrust
let pair: Awaited<ReturnType<typeof makePair>>
before(async () => {
  pair = await makePair()
  trust = await agentTrust()
})

const config = '/etc/containerd/config.toml'
const registry = '[plugins."io.containerd.grpc.v1.cri".registry]'
const set = `version = 2\n${registry}\n  config_path = "/etc/containerd/certs.d"\n`
const hostsToml = '/etc/containerd/certs.d/trow.trow.svc/hosts.toml'
const kubeadm: Tree = { [config]: set, '/etc/kubernetes/': '' }

async function refusal(work: Promise<unknown>): Promise<UserError> {
  const error: unknown = await work.then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof UserError, String(error))
  return error
}

async function attempt(
  tree: MachineTree,
  {
    runtime = 'containerd://1.7.24',
    restart,
    ...editOptions
  }: EditOptions & Pick<MachineOptions, 'restart'> & { runtime?: string } = {},
  wanted = trust,
): Promise<readonly string[]> {
  const options = {
    hostRoot: tree.root,
    node: nodeOf(runtime),
    ...(restart === undefined ? {} : { restart }),
  }
  const changes = await trustMachine(options, await inspectMachine(options), wanted, editOptions)
  return changes.map(({ action, path }) => `${action} ${path}`)
}

for (const [what, content] of Object.entries({
  'a hosts.toml of somebody else': { [hostsToml]: 'server = "https://mirror.example.com"\n' },
  'a link in the place of hosts.toml': { [hostsToml]: { link: '/etc/mine.toml' } },
  'a folder in the place of hosts.toml': { [`${hostsToml}/`]: '' },
})) {
  test(`${what} is named and left, and nothing else is written`, async () => {
    using tree = new MachineTree({ ...kubeadm, ...content } as Tree)
    const untouched = tree.all()
    const { code, message } = await refusal(attempt(tree))
    assert.equal(code, 'FILE_FOREIGN')
    assert.ok(message.includes(hostsToml), message)
    assert.deepEqual(tree.all(), untouched)
    const options = { hostRoot: tree.root, node: nodeOf('containerd://1.7.24') }
    await untrustMachine(options, await inspectMachine(options), trust.hosts)
    assert.deepEqual(tree.all(), untouched)
  })
}

test('what somebody put beside our files stays when they go', async () => {
  using tree = new MachineTree(kubeadm)
  await attempt(tree)
  const other = '/etc/containerd/certs.d/trow.trow.svc/notes.txt'
  tree.write(other, 'mine')
  const options = { hostRoot: tree.root, node: nodeOf('containerd://1.7.24') }
  await untrustMachine(options, await inspectMachine(options), trust.hosts)
  assert.deepEqual(tree.paths(), [
    'etc/containerd/certs.d/trow.trow.svc/notes.txt',
    'etc/containerd/config.toml',
  ])
})

for (const [what, text] of Object.entries({
  'no TOML': 'version = 2\n[plugins."io.containerd\n',
  'an import that is not there': 'version = 2\nimports = ["/etc/containerd/gone.toml"]\n',
})) {
  test(`a config.toml with ${what} is reported with its line, and nothing is written`, async () => {
    using tree = new MachineTree({ ...kubeadm, [config]: text })
    const untouched = tree.all()
    const facts = await inspectMachine({ hostRoot: tree.root, node: nodeOf('containerd://1.7.24') })
    assert.equal(facts.class, 'unsupported')
    assert.equal(facts.folder, undefined)
    const [problem] = facts.problems
    assert.equal(problem?.code, 'RUNTIME_CONFIG_INVALID')
    assert.match(problem.message, /config\.toml:2: Invalid TOML|gone\.toml: is imported/)
    assert.equal((await refusal(attempt(tree))).code, 'RUNTIME_UNSUPPORTED')
    assert.deepEqual(tree.all(), untouched)
  })
}

test(
  'a folder that cannot be written is named',
  { skip: process.getuid?.() === 0 ? false : 'only root sees it' },
  async () => {
    using tree = new MachineTree({ ...kubeadm, '/etc/containerd/certs.d/': '' })
    // Root may write into a folder without write permission, but not into /proc.
    const options = { hostRoot: tree.root, node: nodeOf('containerd://1.7.24') }
    const facts = { ...(await inspectMachine(options)), folder: '/proc/certs.d' }
    const { code, message } = await refusal(trustMachine({ hostRoot: '/' }, facts, trust))
    assert.equal(code, 'MACHINE_NOT_WRITABLE')
    assert.match(message, /\/proc\/certs\.d\/trow\.trow\.svc\/ca\.crt/)
  },
)

test('client = is written with a pair that fits, and taken out when a part of it vanishes', async () => {
  const [certificate, key] = ['/etc/client.crt', '/etc/client.key']
  using tree = new MachineTree({ ...kubeadm, [certificate]: pair.cert, [key]: pair.key })
  const wanted = { ...trust, identity: { certificate, key } }
  await attempt(tree, {}, wanted)
  assert.match(tree.read(hostsToml), /^client = \[\["\/etc\/client\.crt", "\/etc\/client\.key"\]\]$/m)
  for (const [path, broken, whole] of [
    [key, '', pair.key],
    [key, (await makePair()).key, pair.key],
    [certificate, 'no certificate', pair.cert],
  ] as const) {
    tree.write(path, broken)
    assert.equal((await attempt(tree, {}, wanted)).length, 2)
    assert.doesNotMatch(tree.read(hostsToml), /client/)
    tree.write(path, whole)
    assert.equal((await attempt(tree, {}, wanted)).length, 2)
    assert.match(tree.read(hostsToml), /client/)
  }
})

test('a CA that is none is refused', async () => {
  using tree = new MachineTree(kubeadm)
  for (const ca of ['', 'no PEM', pair.cert.slice(0, pair.cert.indexOf('-----END') + 25)]) {
    assert.equal((await refusal(attempt(tree, {}, { ...trust, ca }))).code, 'TRUST_CA_INVALID')
  }
})

test('registries.yaml of k3s that names the host is named', async () => {
  using tree = new MachineTree({
    '/var/lib/rancher/k3s/agent/etc/containerd/': '',
    '/etc/rancher/k3s/registries.yaml':
      'configs:\n  trow.trow.svc:443:\n    tls: { insecure_skip_verify: true }\n',
  })
  const options = { hostRoot: tree.root }
  const facts = await inspectMachine({
    ...options,
    node: nodeOf('containerd://2.0.5-k3s1', { kubeletVersion: 'v1.33.1+k3s1' }),
  })
  const { code, message } = await refusal(trustMachine(options, facts, trust))
  assert.equal(code, 'REGISTRIES_YAML')
  assert.match(message, /registries\.yaml.*trow\.trow\.svc:443/)
})

test('dockerd needs leave to edit /etc/hosts, and a line to 127/8 is never made', async () => {
  using tree = new MachineTree({ '/etc/hosts': '127.0.0.1 localhost\n' })
  const untouched = tree.all()
  const runtime = 'docker://26.1.5'
  assert.equal((await refusal(attempt(tree, { runtime }))).code, 'DOCKER_NEEDS_HOSTS')
  const loopback = { ...trust, endpoints: ['127.0.0.1:443'] }
  assert.equal(
    (await refusal(attempt(tree, { runtime, editHosts: true }, loopback))).code,
    'DOCKER_NEEDS_HOSTS',
  )
  assert.deepEqual(tree.all(), untouched)
  tree.write('/etc/hosts', '127.0.0.1 trow.trow.svc # Added by trow install\n')
  const { code, message } = await refusal(attempt(tree, { runtime, editHosts: true }))
  assert.equal(code, 'FILE_FOREIGN')
  assert.match(message, /127\.0\.0\.1 trow\.trow\.svc/)
})

test('a line in /etc/hosts follows the address', async () => {
  using tree = new MachineTree({ '/etc/hosts': '127.0.0.1 localhost\n' })
  const editOptions = { runtime: 'docker://26.1.5', editHosts: true }
  await attempt(tree, editOptions)
  await attempt(tree, editOptions, { ...trust, endpoints: ['10.96.8.8:443'] })
  assert.equal(tree.read('/etc/hosts'), '10.96.8.8 trow.trow.svc # managed-by: trow\n127.0.0.1 localhost\n')
})

test('containerd that does not come back gets its configuration back', async () => {
  const text = '# mine\nversion = 2\n[grpc]\n  address = "/run/containerd/containerd.sock"'
  using tree = new MachineTree({ ...kubeadm, [config]: text })
  const seen: string[] = []
  const restart = async (unit: string): Promise<string | undefined> => {
    seen.push(`${unit}: ${tree.read(config) === text ? 'old' : 'new'}`)
    return seen.length === 1 ? 'it failed' : undefined
  }
  const { code, message } = await refusal(attempt(tree, { restart, restartRuntime: true }))
  assert.equal(code, 'RUNTIME_NOT_RESTARTED')
  assert.match(message, /it failed/)
  assert.deepEqual(seen, ['containerd.service: new', 'containerd.service: old'])
  assert.equal(tree.read(config), text)
})

test('config_path is not set beside inline mirrors, which containerd refuses, nor where it is generated', async () => {
  const restart = async (): Promise<string | undefined> => assert.fail('it was restarted')
  const inline = `version = 2\n${registry.replace(']', '.mirrors."docker.io"]')}\n  endpoint = ["https://m"]\n`
  using tree = new MachineTree({ ...kubeadm, [config]: inline })
  const { code, hint } = await refusal(attempt(tree, { restart, restartRuntime: true }))
  assert.equal(code, 'RUNTIME_CONFIG_REFUSED')
  assert.match(hint ?? '', /hosts\.toml/)
  assert.equal(tree.read(config), inline)
})

test('without systemd nothing is edited, since nothing could be restarted', async () => {
  using tree = new MachineTree({ ...kubeadm, [config]: 'version = 2\n' })
  const { code } = await refusal(attempt(tree, { restartRuntime: true }))
  assert.equal(code, 'RUNTIME_CONFIG_REFUSED')
  assert.equal(tree.read(config), 'version = 2\n')
})

for (const distribution of [
  'talos',
  'bottlerocket',
  'gke',
  'openshift',
  'fargate',
  'windows',
  'docker-desktop',
]) {
  test(`${distribution} is told which commands to run, and nothing is written`, async () => {
    const images: Readonly<Record<string, string>> = {
      talos: 'Talos (v1.15.0)',
      bottlerocket: 'Bottlerocket OS 1.56.0',
      openshift: 'Red Hat Enterprise Linux CoreOS 9',
      'docker-desktop': 'Docker Desktop',
    }
    const labels: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      gke: { 'cloud.google.com/gke-nodepool': 'p' },
      fargate: { 'eks.amazonaws.com/compute-type': 'fargate' },
      windows: { 'kubernetes.io/os': 'windows' },
    }
    using tree = new MachineTree(kubeadm)
    const untouched = tree.all()
    const node = nodeOf('containerd://2.1.5', {
      osImage: images[distribution] ?? 'x',
      labels: labels[distribution] ?? {},
    })
    const options = { hostRoot: tree.root, node }
    const facts = await inspectMachine(options)
    assert.equal(facts.distribution, distribution)
    assert.equal(facts.class, 'managed')
    const { code, hint } = await refusal(trustMachine(options, facts, trust))
    assert.equal(code, 'PLATFORM_MANAGED')
    assert.ok((hint ?? '').length > 40)
    assert.deepEqual(tree.all(), untouched)
  })
}

test('modes and owners of what was there stay, and new files are readable by all', async () => {
  using tree = new MachineTree({ ...kubeadm, [config]: 'version = 2\n', '/etc/containerd/certs.d/': '' })
  tree.mode('/etc/containerd/certs.d', 0o700)
  tree.mode(config, 0o640)
  const untouched = tree.all()
  const options = { hostRoot: tree.root, node: nodeOf('containerd://1.7.24'), restart: async () => undefined }
  await trustMachine(options, await inspectMachine(options), trust, { restartRuntime: true })
  const { [config.slice(1)]: written = '', [hostsToml.slice(1)]: made = '' } = tree.all()
  assert.match(written, /^100640 /)
  assert.match(made, /^100644 /)
  assert.match(tree.all()['etc/containerd/certs.d/trow.trow.svc'] ?? '', /^40755 /)
  await untrustMachine(options, await inspectMachine(options), trust.hosts)
  assert.deepEqual(tree.all(), untouched)
})

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { inspectMachine } from '../../src/trust/inspect-machine.ts'
import type { NodeTrust } from '../../src/trust/node-trust.ts'
import { trustMachine } from '../../src/trust/trust-machine.ts'
import { untrustMachine } from '../../src/trust/untrust-machine.ts'
import { makeCa, makePair } from './authorities.ts'
import { MachineTree } from './machine-tree.ts'

const node = {
  kubeletVersion: 'v1.33.1',
  containerRuntimeVersion: 'containerd://1.7.24',
  osImage: 'Debian GNU/Linux 12 (bookworm)',
  labels: {},
}
const config =
  'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
const pem = '/var/lib/kubelet/pki/kubelet-client-current.pem'

let ca: string
before(async () => {
  ca = await makeCa()
})

function trustOf(identity?: NodeTrust['identity']): NodeTrust {
  return {
    hosts: ['trow.trow.svc', 'trow.trow.svc:443'],
    ca,
    endpoints: ['127.0.0.1:29443', '10.96.7.7:443'],
    identity,
  }
}

test('a kubeadm node gets ca.crt and hosts.toml for both spellings, once, and loses them again', async () => {
  const pair = await makePair()
  using tree = new MachineTree({
    '/etc/containerd/config.toml': config,
    '/etc/kubernetes/kubelet.conf': '',
    '/var/lib/kubelet/pki/kubelet-client-2026.pem': pair.cert + pair.key,
    [pem]: { link: '/var/lib/kubelet/pki/kubelet-client-2026.pem' },
  })
  const untouched = tree.all()
  const options = { hostRoot: tree.root, node }
  const facts = await inspectMachine(options)
  assert.deepEqual(facts, {
    distribution: 'kubeadm',
    class: 'direct',
    runtime: { name: 'containerd', version: '1.7.24' },
    socket: undefined,
    folder: '/etc/containerd/certs.d',
    config: '/etc/containerd/config.toml',
    configPath: '/etc/containerd/certs.d',
    kubeletCertificate: { certificate: pem, key: pem },
    problems: [],
  })
  const trust = trustOf(facts.kubeletCertificate)
  const planned = await trustMachine(options, facts, trust, { dryRun: true })
  assert.deepEqual(tree.all(), untouched)
  assert.deepEqual(await trustMachine(options, facts, trust), planned)
  assert.deepEqual(
    planned.map(({ action, path }) => `${action} ${path}`),
    ['trow.trow.svc', 'trow.trow.svc_443_'].flatMap((host) => [
      `create /etc/containerd/certs.d/${host}/ca.crt`,
      `create /etc/containerd/certs.d/${host}/hosts.toml`,
    ]),
  )
  assert.equal(
    tree.read('/etc/containerd/certs.d/trow.trow.svc/hosts.toml'),
    `# managed-by: trow (edits are overwritten)
# folders made for it: ["/etc/containerd/certs.d","/etc/containerd/certs.d/trow.trow.svc"]
server = "https://127.0.0.1:29443"
ca = "ca.crt"
client = ["${pem}"]
[host."https://127.0.0.1:29443"]
  capabilities = ["pull", "resolve"]
  ca = "ca.crt"
  client = ["${pem}"]
  dial_timeout = "3s"
[host."https://10.96.7.7:443"]
  capabilities = ["pull", "resolve"]
  ca = "ca.crt"
  client = ["${pem}"]
  dial_timeout = "3s"
`,
  )
  assert.deepEqual(await trustMachine(options, facts, trust), [])
  await untrustMachine(options, facts, trust.hosts)
  assert.deepEqual(tree.all(), untouched)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspectMachine } from '../../src/trust/inspect-machine.ts'
import { MachineFiles } from '../../src/trust/machine-files.ts'
import { unitOf } from '../../src/trust/runtime.ts'
import { MachineTree, type Tree } from './machine-tree.ts'

const registry = '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/certs"\n'

function process(pid: number, args: readonly string[], more: Tree = {}): Tree {
  const own = Object.entries(more).map(([name, content]) => [`/proc/${pid}/${name}`, content] as const)
  return { [`/proc/${pid}/cmdline`]: `${args.join('\0')}\0`, ...Object.fromEntries(own) }
}

async function found(tree: MachineTree): Promise<readonly [string, string | undefined]> {
  const { runtime, folder } = await inspectMachine({ hostRoot: tree.root })
  return [runtime.name, folder]
}

test('a running containerd is asked for its own configuration', async () => {
  for (const args of [['--config', '/srv/c.toml'], ['--config=/srv/c.toml'], ['-c', '/srv/c.toml']]) {
    using tree = new MachineTree({
      ...process(70, ['/usr/bin/containerd', ...args]),
      ...process(71, ['/usr/bin/containerd-shim-runc-v2', '-namespace', 'k8s.io']),
      '/srv/c.toml': `version = 2\n${registry}`,
    })
    assert.deepEqual(await found(tree), ['containerd', '/certs'])
  }
})

test('the containerd of dockerd, without CRI, is none', async () => {
  const both = { ...process(70, ['containerd']), ...process(80, ['/usr/bin/dockerd', '-H', 'fd://']) }
  using docker = new MachineTree({ ...both, '/etc/containerd/config.toml': 'disabled_plugins = ["cri"]\n' })
  assert.deepEqual(await found(docker), ['docker', '/etc/docker/certs.d'])
  using containerd = new MachineTree({ ...both, '/etc/containerd/config.toml': `version = 2\n${registry}` })
  assert.deepEqual(await found(containerd), ['containerd', '/certs'])
})

test('CRI-O is preferred, and what is installed counts when nothing runs', async () => {
  using running = new MachineTree({ ...process(70, ['containerd']), ...process(90, ['/usr/bin/crio']) })
  assert.equal((await found(running))[0], 'cri-o')
  using installed = new MachineTree({ '/usr/bin/crio': '' })
  assert.equal((await found(installed))[0], 'cri-o')
  using empty = new MachineTree({ '/etc/': '' })
  const { class: kind, problems } = await inspectMachine({ hostRoot: empty.root })
  assert.deepEqual([kind, problems[0]?.code], ['unsupported', 'RUNTIME_UNKNOWN'])
})

test('the runtime of a node that is a container of this machine is not this machine’s', async () => {
  using tree = new MachineTree({
    '/proc/1/ns/mnt': { link: 'mnt:[1]' },
    ...process(70, ['containerd', '--config', '/kind.toml'], { 'ns/mnt': { link: 'mnt:[2]' } }),
    ...process(80, ['dockerd'], { 'ns/mnt': { link: 'mnt:[1]' } }),
  })
  assert.equal((await found(tree))[0], 'docker')
})

test('the unit to restart is the one that containerd runs in', async () => {
  using tree = new MachineTree(
    process(70, ['containerd'], { cgroup: '1:name=systemd:/system.slice/snap.containerd.daemon.service\n' }),
  )
  assert.equal(await unitOf(new MachineFiles(tree.root), 'containerd'), 'snap.containerd.daemon.service')
  using other = new MachineTree({ '/etc/': '' })
  assert.equal(await unitOf(new MachineFiles(other.root), 'containerd'), 'containerd.service')
})

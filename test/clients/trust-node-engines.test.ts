import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeAuthority, type CertificateAuthority } from '../../src/certificates/certificate-authority.ts'
import { inspectMachine } from '../../src/trust/inspect-machine.ts'
import type { MachineOptions, NodeTrust, EditOptions } from '../../src/trust/node-trust.ts'
import { trustMachine } from '../../src/trust/trust-machine.ts'
import { untrustMachine } from '../../src/trust/untrust-machine.ts'
import { startDockerd, type Daemon } from './daemon.ts'
import {
  noPrivateMachine,
  openPrivateMachine,
  treeOf,
  type PrivateMachine,
} from '../support/private-machine.ts'
import { findProgram, missing, runProgram } from '../requirements.ts'
import { MachineTree } from '../trust/machine-tree.ts'
import { nodeOf } from '../trust/platforms.ts'
import { TrustedRegistry } from './trusted-registry.ts'

const hosts = ['trow.trow.svc', 'trow.trow.svc:443']
const pem = '/etc/trow-client.pem'
const identity = { certificate: pem, key: pem }

suite('on a machine of its own', { skip: noPrivateMachine() || missing('busybox') }, () => {
  let machine: PrivateMachine
  let registry: TrustedRegistry
  let first: CertificateAuthority
  let second: CertificateAuthority
  before(async () => {
    ;[first, second] = [await newAuthority(), await newAuthority()]
    machine = await openPrivateMachine(() => [])
    writeFileSync(join(machine.etc, 'trow-client.pem'), '')
    addSystemctl(machine.folder)
    registry = await TrustedRegistry.start()
    registry.setAuthority(first)
    await registry.serve()
    for (const repository of ['open/app', 'closed/app']) await registry.push(repository, '1')
    await registry.serve({ address: machine.address, port: 443, within: machine.within })
    writeFileSync(join(machine.etc, 'trow-client.pem'), registry.pemOf('node-1'))
  })
  after(async () => {
    await registry.stop()
    await machine.close()
  })

  async function trust(
    runtime: string,
    more: Partial<NodeTrust> = {},
    editOptions: EditOptions = {},
  ): Promise<readonly string[]> {
    const options = { hostRoot: machine.folder, node: nodeOf(runtime) }
    const endpoints = ['127.0.0.1:29443', `${machine.address}:443`]
    const wanted = { hosts, ca: first.cert, endpoints, identity: undefined, ...more }
    const changes = await trustMachine(options, await inspectMachine(options), wanted, editOptions)
    return changes.map(({ path }) => path)
  }

  async function untrust(runtime: string): Promise<void> {
    const options = { hostRoot: machine.folder, node: nodeOf(runtime) }
    await untrustMachine(options, await inspectMachine(options), hosts)
  }

  suite('what CRI-O pulls with', { skip: missing('skopeo') }, () => {
    function pull(image: string): { readonly code: number | null; readonly output: string } {
      const out = join(machine.folder, `pulled-${image.replaceAll(/\W/g, '-')}`)
      return machine.run('skopeo', ['--insecure-policy', 'copy', `docker://${image}`, `dir:${out}`])
    }
    const runtime = 'cri-o://1.33.0'

    test('pulls by the drop-in, with the right CA only, and as who its certificate says', async () => {
      const untouched = treeOf(machine.etc)
      assert.notEqual(pull('trow.trow.svc/open/app:1').code, 0)

      await trust(runtime, { ca: second.cert })
      assert.match(pull('trow.trow.svc/open/app:1').output, /x509|certificate signed by unknown authority/)

      await trust(runtime)
      for (const host of hosts)
        assert.equal(pull(`${host}/open/app:1`).code, 0, pull(`${host}/open/app:1`).output)
      assert.match(pull('trow.trow.svc/closed/app:1').output, /unauthorized|authentication required|denied/i)
      await trust(runtime, { identity })
      const closed = pull('trow.trow.svc/closed/app:1')
      assert.equal(closed.code, 0, closed.output)

      assert.match(readFileSync(join(machine.folder, 'systemctl.log'), 'utf8'), /^(reload crio\n)+$/)
      assert.deepEqual(await trust(runtime, { identity }), [])
      await untrust(runtime)
      assert.deepEqual(treeOf(machine.etc), untouched)
    })
  })

  suite('dockerd', { skip: missing('dockerd', 'docker') }, () => {
    const runtime = 'docker://20.10.24'
    let daemon: Daemon | undefined
    before(async () => {
      daemon = await startDockerd(machine.folder, { within: machine.within })
    })
    after(async () => daemon?.stop())

    function pull(image: string): { readonly code: number | null; readonly output: string } {
      const docker = (...args: string[]): ReturnType<PrivateMachine['run']> =>
        machine.run('docker', ['--host', `unix://${daemon?.socket}`, ...args])
      docker('rmi', '--force', image)
      return docker('pull', image)
    }

    test('pulls by one line in /etc/hosts, with the right CA only, and as who its certificate says', async () => {
      const untouched = treeOf(machine.etc)
      assert.notEqual(pull('trow.trow.svc/open/app:1').code, 0)
      await assert.rejects(trust(runtime), { code: 'DOCKER_NEEDS_HOSTS' })

      await trust(runtime, { ca: second.cert }, { editHosts: true })
      // Go reads /etc/hosts anew every five seconds.
      for (let left = 120; /lookup/.test(pull('trow.trow.svc/open/app:1').output) && left > 0; left--)
        await sleep(500)
      assert.match(pull('trow.trow.svc/open/app:1').output, /x509|certificate signed by unknown authority/)

      await trust(runtime, {}, { editHosts: true })
      for (const host of hosts)
        assert.equal(pull(`${host}/open/app:1`).code, 0, pull(`${host}/open/app:1`).output)
      assert.notEqual(pull('trow.trow.svc/closed/app:1').code, 0)
      await trust(runtime, { identity }, { editHosts: true })
      const closed = pull('trow.trow.svc/closed/app:1')
      assert.equal(closed.code, 0, closed.output)

      await untrust(runtime)
      assert.deepEqual(treeOf(machine.etc), untouched)
    })
  })
})

suite('a restart of the runtime', { skip: noPrivateMachine() || missing('busybox', 'chroot') }, () => {
  const config = '/etc/containerd/config.toml'
  const libraries = runProgram('ldd', [findProgram('chroot') ?? 'chroot']).match(/\/\S+/g) ?? []

  for (const [what, files] of [
    ['by the chroot of this process', []],
    ['by the chroot, loader and libraries of the machine', [findProgram('chroot') ?? '', ...libraries]],
  ] as const) {
    test(`reaches systemd in the root folder ${what}`, async () => {
      using tree = new MachineTree({ [config]: 'version = 2\n', '/etc/kubernetes/': '' })
      addSystemctl(tree.root)
      for (const path of files) {
        mkdirSync(dirname(join(tree.root, path)), { recursive: true })
        copyFileSync(realpathSync(path), join(tree.root, path))
      }
      const options: MachineOptions = { hostRoot: tree.root, node: nodeOf('containerd://1.7.24') }
      const ca = (await newAuthority()).cert
      const wanted = { hosts, ca, endpoints: ['10.96.7.7:443'], identity: undefined }
      await trustMachine(options, await inspectMachine(options), wanted, { restartRuntime: true })
      assert.equal(tree.read('/systemctl.log'), 'restart containerd.service\n')
      assert.equal((await inspectMachine(options)).class, 'direct')
    })
  }
})

async function newAuthority(): Promise<CertificateAuthority> {
  return makeAuthority(['trow.trow.svc'], [], webcrypto as Crypto)
}

/** A systemctl that writes down what it is told. */
function addSystemctl(root: string): void {
  const [busybox, systemctl] = [join(root, 'bin', 'busybox'), join(root, 'usr', 'bin', 'systemctl')]
  for (const path of [busybox, systemctl]) mkdirSync(dirname(path), { recursive: true })
  copyFileSync(findProgram('busybox') ?? '', busybox)
  writeFileSync(systemctl, '#!/bin/busybox sh\necho "$@" >> /systemctl.log\n')
  for (const path of [busybox, systemctl]) chmodSync(path, 0o755)
}

import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test, type TestContext } from 'node:test'
import {
  makeAuthority,
  namesOfAuthority,
  type CertificateAuthority,
} from '../../src/certificates/certificate-authority.ts'
import { imageProblem } from '../support/trow-image.ts'
import { InstallFixture, podProcesses } from './install-fixture.ts'
import type { ClusterNode } from './node.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'
import { ClusterServer } from './server.ts'

const day = 86_400_000

/** For each fault `trow status` names the place and the remedy. The test then applies the remedy. */
suite('what is broken, trow status names', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  let second: ClusterNode

  before(async () => {
    trow = await InstallFixture.start('status-faults')
    second = trow.cluster.nodes[1]!
  })
  after(() => trow.close())

  const show = (context: TestContext, printed: string): void => context.diagnostic(`\n${printed}`)
  const cure = async (context: TestContext, ...args: readonly string[]): Promise<void> => {
    const begin = performance.now()
    const { code, stderr } = await trow.install(...args)
    assert.equal(code, 0, stderr)
    await trow.healthy()
    context.diagnostic(`cured by trow install in ${((performance.now() - begin) / 1000).toFixed(1)} s`)
  }

  test('a registry that ends at once: its last words; trow install puts the right one there', async (context) => {
    const containers = [{ name: 'trow', image: 'trow.test/busybox:1' }]
    const patch = JSON.stringify({ spec: { template: { spec: { containers } } } })
    await trow.kubectl('-n', 'trow', 'patch', 'statefulset', 'trow', '-p', patch)
    const pattern =
      /pod trow-0 on node n1 is ready\n +CrashLoopBackOff: container trow ended with 1.*\(its log: .*sleep/
    show(context, await trow.statusSays(pattern, { timeout: 120_000 }))
    await cure(context, '--force-conflicts')
  })

  test("somebody else's hosts.toml: node and file; gone, the agent writes its own", async (context) => {
    const folder = '/etc/containerd/certs.d/trow.trow.svc'
    const file = join(second.outside(folder), 'hosts.toml')
    const own = readFileSync(file, 'utf8')
    writeFileSync(file, 'server = "https://mirror.example.com"\n')
    await trow.restartAgent(second)
    show(
      context,
      await trow.statusSays(/node n2 pulls\n.*\/etc\/containerd\/certs\.d\/trow\.trow\.svc\/hosts\.toml/),
    )
    assert.equal(readFileSync(file, 'utf8'), 'server = "https://mirror.example.com"\n')
    rmSync(file)
    await trow.restartAgent(second)
    await trow.healthy()
    assert.equal(readFileSync(file, 'utf8'), own)
  })

  test('an agent killed between ca.crt and hosts.toml: the next one finishes', async () => {
    const file = join(second.outside('/etc/containerd/certs.d/trow.trow.svc'), 'hosts.toml')
    const own = readFileSync(file, 'utf8')
    for (const pid of podProcesses(second, 'trust-node')) process.kill(pid, 'SIGKILL')
    rmSync(file)
    await eventually(async () => assert.equal(readFileSync(file, 'utf8'), own))
    await trow.healthy()
    await trow.pull(second)
  })

  test('a node that no agent is let on to: named, and trow install brings the agent back', async (context) => {
    const values = [second.name]
    const matchExpressions = [{ key: 'kubernetes.io/hostname', operator: 'NotIn', values }]
    const nodeAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] },
    }
    await trow.patch('trow-node', 'daemonset', 'trow-node', {
      spec: { template: { spec: { affinity: { nodeAffinity } } } },
    })
    show(
      context,
      await trow.statusSays(/an agent runs on node n2\n +there is no pod of DaemonSet trow-node on it/),
    )
    // Files of the agent stay without the agent.
    await trow.pull(second)
    await trow.patch('trow-node', 'daemonset', 'trow-node', {
      spec: { template: { spec: { affinity: null } } },
    })
    await cure(context)
  })

  test('a list in config_path, which containerd 2 takes for one folder: the node pulls all the same', async () => {
    const file = join(second.outside('/etc/containerd'), 'config.toml')
    const usual = readFileSync(file, 'utf8')
    const line = /^ {2}config_path = .*$/m
    const restart = async (text: string): Promise<void> => {
      writeFileSync(file, text)
      const containerd = new ClusterServer(second, 'containerd')
      await containerd.kill()
      containerd.start(['-c', '/etc/containerd/config.toml'])
      await second.containerdAnswers()
      await trow.restartAgent(second)
    }
    // The agent before may have looked at a file that was being written, and its report stands until the next one.
    const isOfClass = (name: string): Promise<void> =>
      eventually(async () => {
        assert.match((await trow.trow('status')).stdout, new RegExp(`^n2 +healthy +.* ${name} `, 'm'))
      })
    try {
      await restart(usual.replace(line, '  config_path = "/etc/containerd/certs.d:/etc/docker/certs.d"'))
      await trow.healthy()
      await isOfClass('colon')
      await trow.pull(second)
    } finally {
      await restart(usual)
    }
    await trow.healthy()
    await isOfClass('direct')
  })

  /** As an install of long ago would have left it. */
  async function makeAuthorityOf(context: TestContext, left: number): Promise<CertificateAuthority> {
    const { names, addresses } = namesOfAuthority((await trow.trow('ca', 'show')).stdout)
    const life = 3650 * day - 3_600_000
    context.mock.timers.enable({ apis: ['Date'], now: Date.now() + left - life })
    try {
      return await makeAuthority(names, addresses, webcrypto as Crypto)
    } finally {
      context.mock.timers.reset()
    }
  }
  async function useAuthority({ cert, key }: CertificateAuthority, generation: number): Promise<void> {
    const stringData = { 'ca.crt': cert, 'ca.key': key }
    await trow.patch('trow', 'secret', 'trow-ca', { stringData })
    await trow.patch('trow', 'configmap', 'trow-ca', {
      data: { 'ca.crt': cert, generation: String(generation) },
    })
    const text = await trow.kubectl(
      '-n',
      'trow',
      'get',
      'configmap',
      'trow-orders',
      '-o',
      'jsonpath={.data.settings\\.json}',
    )
    const settings = JSON.stringify({ ...(JSON.parse(text) as object), generation })
    await trow.patch('trow', 'configmap', 'trow-orders', {
      data: { 'settings.json': settings, 'ca.crt': cert },
    })
    await trow.kubectl('-n', 'trow', 'delete', 'pod', 'trow-0', '--grace-period=1')
  }
  async function rotate(context: TestContext): Promise<void> {
    for (const args of [['--wait'], ['--finish']]) {
      const { code, stderr } = await trow.trow('ca', 'rotate', ...args, '--timeout', '3m')
      context.diagnostic(stderr)
      assert.equal(code, 0, stderr)
    }
    await trow.healthy()
  }

  test('a CA near its end is a warning; rotated, all is well', async (context) => {
    await useAuthority(await makeAuthorityOf(context, 10 * day), 2)
    await trow.healthy()
    show(context, await trow.statusSays(/CA 1 is valid until[^\n]*\n +it ends in 10 days/, { code: 0 }))
    await rotate(context)
    for (const node of trow.cluster.nodes) await trow.pull(node)
  })

  test('a CA that has expired: named; nobody can pull, and yet it can be rotated', async (context) => {
    await useAuthority(await makeAuthorityOf(context, -day), 5)
    show(context, await trow.statusSays(/CA 1 is valid until[^\n]*\n +it has expired/, { timeout: 120_000 }))
    await rotate(context)
    for (const node of trow.cluster.nodes) await trow.pull(node)
  })
})

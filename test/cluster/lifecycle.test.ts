import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openCri } from '../../src/agent/cri.ts'
import { imageProblem } from '../support/trow-image.ts'
import { treeOf } from './agent-fixture.ts'
import { Cluster } from './cluster.ts'
import { installerKubeconfig, runInCluster, type CommandResult } from './command-line.ts'
import { longestGap } from './endpoint-gap.ts'
import { busyboxImage, writeImageArchive } from './image.ts'
import type { ClusterNode } from './node.ts'
import { eventually } from './program.ts'
import { clusterProblem } from './requirements.ts'
import { importTrowImage } from './trow-image.ts'

interface Pulls {
  readonly count: number
  readonly failures: readonly string[]
}

const hasFolder = (node: ClusterNode, host: string): boolean =>
  existsSync(node.outside(`/etc/containerd/certs.d/${host}`))
const reference = 'trow.trow.svc/default/loop:1'
const domains = ['a.registry.example', 'b.registry.example'] as const

/** What happens to an install in the course of time; the figures are diagnostics of the tests. */
suite('an install over time', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let cluster: Cluster
  let image = ''
  let kubeconfig = ''
  let trees: Readonly<Record<string, string>>[]
  const folder = mkdtempSync(join(tmpdir(), 'trow-lifecycle-'))
  const data = `/var/tmp/trow-lifecycle-${process.pid}`

  before(async () => {
    cluster = await Cluster.open()
    image = await importTrowImage(cluster.nodes)
    kubeconfig = await installerKubeconfig(cluster)
    await trow('uninstall', '--purge', '-y')
    trees = cluster.nodes.map(treeOf)
    const { code, stderr } = await install()
    assert.equal(code, 0, stderr)
    const archive = join(folder, 'loop.tar')
    await writeImageArchive(archive, { ...busyboxImage(), name: 'loop' })
    const pushed = await trow('push', archive, 'default/loop:1')
    assert.equal(pushed.code, 0, pushed.stderr)
  })
  after(async () => {
    await trow('uninstall', '--purge', '-y')
    rmSync(folder, { recursive: true })
    rmSync(data, { recursive: true, force: true })
    await cluster.close()
  })

  const trow = (...args: readonly string[]): Promise<CommandResult> =>
    runInCluster([...args, '--kubeconfig', kubeconfig], folder)
  const install = (...args: readonly string[]): Promise<CommandResult> =>
    trow('install', '-y', '--image', image, '--storage', `local:${data}`, '--timeout', '4m', ...args)

  /** As the kubelet pulls, again and again, on every one of the nodes. */
  async function pullWhile(nodes: readonly ClusterNode[], work: () => Promise<void>): Promise<Pulls> {
    const failures: string[] = []
    let [count, done] = [0, false]
    const loop = async (node: ClusterNode): Promise<void> => {
      const cri = await openCri(node.outside('/run/containerd/containerd.sock'))
      while (!done) {
        await cri.removeImage(reference)
        try {
          await cri.pullImage(reference, 30_000)
        } catch (error) {
          failures.push(`${node.name}: ${(error as Error).message}`)
        }
        count++
        await sleep(200)
      }
      cri.close()
    }
    const loops = nodes.map(loop)
    try {
      await work()
    } finally {
      done = true
      await Promise.all(loops)
    }
    return { count, failures }
  }

  test('status is healthy, in words and for machines', async (context) => {
    const { code, stdout } = await trow('status', '--wait', '--timeout', '60s')
    context.diagnostic(stdout)
    assert.equal(code, 0, stdout)
    for (const { name } of cluster.nodes) assert.match(stdout, new RegExp(`^${name} +healthy`, 'm'))
    const { success, nodes } = JSON.parse((await trow('status', '-o', 'json')).stdout) as {
      success: boolean
      nodes: unknown[]
    }
    assert.equal(success, true)
    assert.equal(nodes.length, cluster.nodes.length)
  })

  test('the CA is replaced under pulls, and no pull fails', async (context) => {
    const { nodes } = cluster
    const begin = performance.now()
    const narrow = await install('--host', domains[0])
    assert.match(narrow.stderr, /CA_TOO_NARROW/)
    const pulls = await pullWhile(nodes, async () => {
      const added = domains.flatMap((host) => ['--host', host])
      for (const args of [['--wait', ...added], ['--finish']]) {
        const { code, stderr } = await trow('ca', 'rotate', ...args, '--timeout', '4m')
        context.diagnostic(stderr)
        assert.equal(code, 0, stderr)
      }
    })
    context.diagnostic(`${pulls.count} pulls in ${((performance.now() - begin) / 1000).toFixed(0)} s`)
    assert.deepEqual(pulls.failures, [])
    assert.ok(pulls.count > 5)
    const { stdout } = await trow('ca', 'show')
    assert.equal(stdout.match(/BEGIN CERTIFICATE/g)?.length, 1)
  })

  test('the registry is restarted by an install with other settings under pulls: none fails', async (context) => {
    const begin = performance.now()
    let gap = 0
    const pulls = await pullWhile(cluster.nodes, async () => {
      const watched = new AbortController()
      const longest = longestGap({ kubeconfig, home: folder }, watched.signal)
      const { code, stderr } = await install('--anonymous-pull')
      assert.equal(code, 0, stderr)
      assert.match((await trow('status', '--wait', '--timeout', '60s')).stdout, /healthy/)
      watched.abort()
      gap = await longest
    })
    context.diagnostic(
      `${pulls.count} pulls in ${((performance.now() - begin) / 1000).toFixed(0)} s, ${pulls.failures.length} failed; nobody served for ${(gap / 1000).toFixed(1)} s`,
    )
    assert.ok(gap > 0, 'the registry was not restarted')
    assert.ok(pulls.count > 5)
    // Connections are held for eight seconds: where the machine takes longer for a new pod, a pull may say so.
    if (gap <= 7500) assert.deepEqual(pulls.failures, [])
    for (const failure of pulls.failures) assert.match(failure, /connection re(set|fused)|EOF|timeout/)
  })

  test('a domain that comes later, and then another one: nodes pull by the last', async () => {
    for (const host of domains) {
      const { code, stderr } = await install('--host', host)
      assert.equal(code, 0, stderr)
      for (const node of cluster.nodes) {
        const cri = await openCri(node.outside('/run/containerd/containerd.sock'))
        await cri.pullImage(`${host}/default/loop:1`, 30_000)
        await cri.removeImage(`${host}/default/loop:1`)
        cri.close()
      }
    }
    const [a, b] = domains
    for (const node of cluster.nodes) {
      assert.equal(hasFolder(node, a), false)
      assert.equal(hasFolder(node, b), true)
    }
  })

  test('a node that joins later pulls without anybody doing anything', async (context) => {
    const node = await cluster.addNode()
    const begin = performance.now()
    const spec = {
      nodeName: node.name,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'app', image: reference, imagePullPolicy: 'Always' }],
    }
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'joined' }, spec }
    await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(pod) })
    await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/joined', '--timeout=120s'])
    context.diagnostic(`Ready to a running pod: ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    await cluster.kubectl(['delete', 'pod', 'joined', '--force'])
    const { code, stdout } = await trow('status', '--wait', '--timeout', '60s')
    assert.equal(code, 0, stdout)
  })

  test('a registry without a pod: status says so, with the fault and what to do', async () => {
    const scale = (count: number): Promise<string> =>
      cluster.kubectl(['-n', 'trow', 'scale', 'statefulset', 'trow', `--replicas=${count}`])
    await scale(0)
    await eventually(async () => {
      const { code, stdout } = await trow('status', '-o', 'short')
      assert.equal(code, 79)
      assert.match(stdout, /its pod is ready\n +there is no pod/)
    }, 90_000)
    await scale(1)
    assert.equal((await trow('status', '--wait', '--timeout', '2m')).code, 0)
  })

  test('out again: every node is as it was, and no object is left', async (context) => {
    const begin = performance.now()
    const { code, stderr } = await trow('uninstall', '--purge', '-y')
    context.diagnostic(`in all ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    assert.equal(code, 0, stderr)
    // The agent of the one that joined may have been there before anybody could look.
    assert.deepEqual(cluster.nodes.slice(0, trees.length).map(treeOf), trees)
    for (const node of cluster.nodes) for (const host of domains) assert.equal(hasFolder(node, host), false)
    const kinds = (await cluster.kubectl(['api-resources', '--verbs=list', '-o', 'name'])).trim().split('\n')
    const left = await cluster.kubectl([
      'get',
      kinds.filter((kind) => !kind.startsWith('events')).join(','),
      '-A',
      '-l',
      'app.kubernetes.io/part-of=trow',
      '-o',
      'custom-columns=IN:.metadata.namespace,KIND:.kind,NAME:.metadata.name',
      '--no-headers',
    ])
    // Another suite's namespace may be on its way out.
    assert.deepEqual(
      left.split('\n').filter((line) => line !== '' && !line.startsWith('agent-test')),
      [],
    )
    const namespaces = await cluster.kubectl(['get', 'namespaces', '-o', 'name'])
    assert.doesNotMatch(namespaces, /namespace\/trow(-node)?$/m)
  })
})

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { after, before, suite, test } from 'node:test'
import { openCri } from '../../src/agent/cri.ts'
import { imageProblem } from '../support/trow-image.ts'
import { treeOf } from './agent-fixture.ts'
import { longestGap } from './endpoint-gap.ts'
import { InstallFixture, reference } from './install-fixture.ts'
import type { ClusterNode } from './node.ts'
import { clusterProblem } from './requirements.ts'

const hasFolder = (node: ClusterNode, host: string): boolean =>
  existsSync(node.outside(`/etc/containerd/certs.d/${host}`))
const domains = ['a.registry.example', 'b.registry.example'] as const

/** Events in the life of an install. The tests print the figures as diagnostics. */
suite('an install over time', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  let trees: Readonly<Record<string, string>>[]

  before(async () => {
    trow = await InstallFixture.open('lifecycle')
    trees = trow.cluster.nodes.map(treeOf)
    await trow.setUp()
  })
  after(() => trow.close())

  test('status is healthy, in words and for machines', async (context) => {
    const { code, stdout } = await trow.trow('status', '--wait', '--timeout', '60s')
    context.diagnostic(stdout)
    assert.equal(code, 0, stdout)
    for (const { name } of trow.cluster.nodes) assert.match(stdout, new RegExp(`^${name} +healthy`, 'm'))
    const { success, nodes } = JSON.parse((await trow.trow('status', '-o', 'json')).stdout) as {
      success: boolean
      nodes: unknown[]
    }
    assert.equal(success, true)
    assert.equal(nodes.length, trow.cluster.nodes.length)
  })

  test('the CA is replaced under pulls, and no pull fails', async (context) => {
    const { nodes } = trow.cluster
    const begin = performance.now()
    const narrow = await trow.install('--host', domains[0])
    assert.match(narrow.stderr, /CA_TOO_NARROW/)
    const pulls = await trow.pullWhile(nodes, async () => {
      const added = domains.flatMap((host) => ['--host', host])
      for (const args of [['--wait', ...added], ['--finish']]) {
        const { code, stderr } = await trow.trow('ca', 'rotate', ...args, '--timeout', '4m')
        context.diagnostic(stderr)
        assert.equal(code, 0, stderr)
      }
    })
    context.diagnostic(`${pulls.count} pulls in ${((performance.now() - begin) / 1000).toFixed(0)} s`)
    assert.deepEqual(pulls.failures, [])
    assert.ok(pulls.count > 5)
    assert.equal(await trow.authorities(), 1)
  })

  test('the registry is restarted by an install with other settings under pulls: none fails', async (context) => {
    const begin = performance.now()
    let gap = 0
    const pulls = await trow.pullWhile(trow.cluster.nodes, async () => {
      const watched = new AbortController()
      const longest = longestGap({ kubeconfig: trow.kubeconfig, home: trow.folder }, watched.signal)
      const { code, stderr } = await trow.install('--anonymous-pull')
      assert.equal(code, 0, stderr)
      assert.match((await trow.trow('status', '--wait', '--timeout', '60s')).stdout, /healthy/)
      watched.abort()
      gap = await longest
    })
    context.diagnostic(
      `${pulls.count} pulls in ${((performance.now() - begin) / 1000).toFixed(0)} s, ${pulls.failures.length} failed; nobody served for ${(gap / 1000).toFixed(1)} s`,
    )
    assert.ok(gap > 0, 'the registry was not restarted')
    assert.ok(pulls.count > 5)
    assert.deepEqual(pulls.failures, [])
  })

  test('a domain that comes later, and then another one: nodes pull by the last', async () => {
    for (const host of domains) {
      const { code, stderr } = await trow.install('--host', host)
      assert.equal(code, 0, stderr)
      for (const node of trow.cluster.nodes) {
        const cri = await openCri(node.outside('/run/containerd/containerd.sock'))
        await cri.pullImage(`${host}/default/loop:1`, 30_000)
        await cri.removeImage(`${host}/default/loop:1`)
        cri.close()
      }
    }
    const [a, b] = domains
    for (const node of trow.cluster.nodes) {
      assert.equal(hasFolder(node, a), false)
      assert.equal(hasFolder(node, b), true)
    }
  })

  test('a node that joins later pulls without anybody doing anything', async (context) => {
    const node = await trow.cluster.addNode()
    const begin = performance.now()
    await trow.createPod('joined', node.name, reference)
    await trow.podRuns('joined')
    context.diagnostic(`Ready to a running pod: ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    await trow.removePods('joined')
    const { code, stdout } = await trow.trow('status', '--wait', '--timeout', '60s')
    assert.equal(code, 0, stdout)
  })

  test('a registry without a pod: status says so, with the fault and what to do', async () => {
    const scale = (count: number): Promise<string> =>
      trow.kubectl('-n', 'trow', 'scale', 'statefulset', 'trow', `--replicas=${count}`)
    await scale(0)
    await trow.statusSays(/its pod is ready\n +there is no pod/, { timeout: 90_000 })
    await scale(1)
    await trow.healthy()
  })

  test('out again: every node is as it was, and no object is left', async (context) => {
    const begin = performance.now()
    const { code, stderr } = await trow.trow('uninstall', '--purge', '-y')
    context.diagnostic(`in all ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    assert.equal(code, 0, stderr)
    // The agent of the new node may run before the first look.
    assert.deepEqual(trow.cluster.nodes.slice(0, trees.length).map(treeOf), trees)
    for (const node of trow.cluster.nodes)
      for (const host of domains) assert.equal(hasFolder(node, host), false)
    const kinds = (await trow.kubectl('api-resources', '--verbs=list', '-o', 'name')).trim().split('\n')
    const left = await trow.kubectl(
      'get',
      kinds.filter((kind) => !kind.startsWith('events')).join(','),
      '-A',
      '-l',
      'app.kubernetes.io/part-of=trow',
      '-o',
      'custom-columns=IN:.metadata.namespace,KIND:.kind,NAME:.metadata.name',
      '--no-headers',
    )
    // A namespace of another suite may still be terminating.
    assert.deepEqual(
      left.split('\n').filter((line) => line !== '' && !line.startsWith('agent-test')),
      [],
    )
    const namespaces = await trow.kubectl('get', 'namespaces', '-o', 'name')
    assert.doesNotMatch(namespaces, /namespace\/trow(-node)?$/m)
  })
})

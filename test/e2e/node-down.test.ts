import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { imageProblem } from '../support/trow-image.ts'
import { InstallFixture, podProcesses, type Pulls } from './install-fixture.ts'
import type { ClusterNode } from './node.ts'
import { clusterProblem } from './requirements.ts'
import { ClusterServer } from './server.ts'

/** A node that is frozen, with its agent, while the CA is replaced. */
suite('a node is down', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  let [up, down]: ClusterNode[] = []
  let frozen: number[] = []

  before(async () => {
    trow = await InstallFixture.start('node-down')
    ;[up, down] = trow.cluster.nodes
  })
  after(async () => {
    thaw()
    await trow.close()
  })

  const servers = (): ClusterServer[] =>
    ['kubelet', 'containerd'].map((name) => new ClusterServer(down!, name))
  function freeze(): void {
    frozen = podProcesses(down!, 'trust-node')
    assert.equal(frozen.length, 1)
    for (const server of servers()) server.signal('SIGSTOP')
    for (const pid of frozen) process.kill(pid, 'SIGSTOP')
  }
  function thaw(): void {
    if (frozen.length === 0) return
    for (const pid of frozen) process.kill(pid, 'SIGCONT')
    for (const server of servers()) server.signal('SIGCONT')
    frozen = []
  }
  const rotate = async (...args: readonly string[]): Promise<{ code: number | null; stderr: string }> =>
    trow.trow('ca', 'rotate', ...args)
  const told = (context: { diagnostic(text: string): void }, pulls: Pulls): void =>
    context.diagnostic(`${pulls.count} pulls, ${pulls.failures.length} failed`)

  test('while it counts as Ready the rotation names it, gives up in time, and has changed no signature', async (context) => {
    freeze()
    const pulls = await trow.pullWhile([up!], async () => {
      const { code, stderr } = await rotate('--wait', '--timeout', '8s')
      context.diagnostic(stderr)
      assert.equal(code, 75, stderr)
      assert.match(stderr, /waiting for n2$/m)
      assert.match(stderr, /not yet with generation 2: n2 \(NODES_BEHIND\)/)
    })
    told(context, pulls)
    assert.deepEqual(pulls.failures, [])
    assert.equal(await trow.authorities(), 2)
  })

  test('status names it once the cluster does not count it as Ready', async (context) => {
    const printed = await trow.statusSays(/on node n2 is ready\n +node n2 is not Ready$/m, {
      timeout: 120_000,
    })
    context.diagnostic(printed)
  })

  test('the rotation goes on without it, and says that it will be told; no pull fails', async (context) => {
    const pulls = await trow.pullWhile([up!], async () => {
      const { code, stderr } = await rotate('--wait', '--timeout', '3m')
      context.diagnostic(stderr)
      assert.equal(code, 0, stderr)
      assert.match(stderr, /not Ready, and told as soon as they are back: n2/)
      await trow.pull(up!)
    })
    told(context, pulls)
    assert.deepEqual(pulls.failures, [])
  })

  test('back again it takes the bundle by itself and pulls; then the old CA goes', async (context) => {
    const begin = performance.now()
    thaw()
    await trow.healthy().catch(async (error: unknown) => {
      context.diagnostic((await trow.trow('status')).stdout)
      throw error
    })
    context.diagnostic(`thawed to healthy: ${((performance.now() - begin) / 1000).toFixed(1)} s`)
    await trow.pull(down!)
    const pulls = await trow.pullWhile([up!, down!], async () => {
      const { code, stderr } = await rotate('--finish', '--timeout', '2m')
      context.diagnostic(stderr)
      assert.equal(code, 0, stderr)
    })
    told(context, pulls)
    assert.deepEqual(pulls.failures, [])
    assert.equal(await trow.authorities(), 1)
  })
})

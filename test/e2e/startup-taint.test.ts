import assert from 'node:assert/strict'
import { after, before, suite, test, type TestContext } from 'node:test'
import { startupTaint } from '../../src/cluster/layout.ts'
import { imageProblem } from '../support/trow-image.ts'
import { InstallFixture, reference } from './install-fixture.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'

const registering = `--register-with-taints=${startupTaint}=:NoSchedule`

/** Nodes of an autoscaler: pods wait for the node already, and their first pull fails if its trust is not written yet. */
suite('the first pod on a new node', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture

  before(async () => {
    trow = await InstallFixture.open('startup-taint')
    const { code, stderr } = await trow.install('--startup-taint')
    assert.equal(code, 0, stderr)
    await trow.pushLoop()
  })
  after(async () => {
    await trow.removePods('first-1', 'first-2', 'first-3')
    await trow.close()
  })

  // Each try adds a node, and all nodes share the machine's inotify instances. Set TRIES=3 only when this file runs alone.
  const tries = Number(process.env['TRIES'] ?? '1')
  for (const attempt of [1, 2, 3].slice(0, tries)) {
    test(`runs without a failed pull, try ${attempt}`, async (context) => {
      const name = `first-${attempt}`
      const spec = {
        nodeSelector: { 'kubernetes.io/hostname': `n${trow.cluster.nodes.length + 1}` },
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'app', image: reference, imagePullPolicy: 'Always' }],
      }
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec }
      await trow.cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(pod) })
      const node = await trow.cluster.addNode([registering])
      const began = performance.now()
      await trow.podRuns(name)
      context.diagnostic(`Ready to a running pod: ${((performance.now() - began) / 1000).toFixed(1)} s`)
      await tellFirstSeconds(context, node.name)
      const events = await trow.kubectl('get', 'events', '--field-selector', `involvedObject.name=${name}`)
      assert.match(events, /Pulled/)
      assert.doesNotMatch(events, /Failed |BackOff/)
      const taints = await trow.kubectl('get', 'node', node.name, '-o', 'jsonpath={.spec.taints}')
      assert.doesNotMatch(taints, /trow\.io/)
    })
  }

  /** Prints the times from the log of the agent and from its pod. */
  async function tellFirstSeconds(context: TestContext, node: string): Promise<void> {
    const field = ['--field-selector', `spec.nodeName=${node}`]
    const name = await trow.kubectl('-n', 'trow-node', 'get', 'pod', ...field, '-o', 'name')
    const states = '{range .status.conditions[*]}{.type} {.lastTransitionTime}; {end}'
    const pod = await trow.kubectl('-n', 'trow-node', 'get', name.trim(), '-o', `jsonpath=${states}`)
    const ready = '{range .status.conditions[?(@.type=="Ready")]}{.lastTransitionTime}{end}'
    const since = await trow.kubectl('get', 'node', node, '-o', `jsonpath=${ready}`)
    context.diagnostic(`node Ready ${since}; agent's pod: ${pod}`)
    const log = await eventually(async () => {
      const text = await trow.kubectl('-n', 'trow-node', 'logs', name.trim())
      assert.match(text, /pods may come/)
      return text
    })
    context.diagnostic(log)
  }

  test('a taint that is set later goes too, and the right to take it away goes with the option', async () => {
    const [node] = trow.cluster.nodes
    assert.ok(node)
    const taints = async (): Promise<string> =>
      trow.kubectl('get', 'node', node.name, '-o', 'jsonpath={.spec.taints}')
    await trow.kubectl('taint', 'node', node.name, `${startupTaint}=:NoSchedule`)
    await eventually(async () => assert.doesNotMatch(await taints(), /trow\.io/))
    const { code, stderr } = await trow.install('--no-startup-taint')
    assert.equal(code, 0, stderr)
    const may = await trow
      .kubectl('auth', 'can-i', 'patch', 'nodes', '--as=system:serviceaccount:trow-node:trow-node')
      .catch((error: unknown) => String(error))
    assert.match(may, /no/)
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeIs, prepare, type Run } from './fake-install.ts'

const kubelet = 'failed to pull "trow.test/trow:1": dial tcp 192.0.2.1:443: connection refused'
const backOff = {
  phase: 'Pending',
  containerStatuses: [
    {
      name: 'trow',
      ready: false,
      restartCount: 0,
      state: { waiting: { reason: 'ImagePullBackOff', message: kubelet } },
    },
  ],
}
const noRoom = {
  phase: 'Pending',
  conditions: [
    {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/2 nodes: Insufficient cpu',
    },
  ],
}
const crashed = (restartCount: number): object => ({
  phase: 'Running',
  containerStatuses: [
    {
      name: 'trow',
      ready: false,
      restartCount,
      state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 40s' } },
      lastState: { terminated: { exitCode: 7 } },
    },
  ],
})

/** Gives pods whose name begins with `pod` this status; an agent among them sends no report. */
function broken(pod: string, status: object, nodes?: readonly string[]): Run {
  const run = prepare(nodes)
  run.cluster.podStatus = (name) => (name.startsWith(pod) ? status : undefined)
  run.cluster.report = (node) => (`trow-node-${node}`.startsWith(pod) ? false : {})
  return run
}

test('an agent whose image cannot be had: the other nodes are proved at once, and this one is named: 79', async () => {
  const run = broken('trow-node-n2', backOff)
  const begin = run.now()
  await assert.rejects(run.go(), codeIs('NODES_NOT_PULLING', 79, '1 of 2 nodes', `n2: its agent`, kubelet))
  assert.equal(run.pushes.length, 1, 'the canary was not pushed')
  assert.ok(run.now() - begin < 5000, `after ${run.now() - begin} ms`)
})

test('an agent that nobody finds room for: the others are proved, and half a minute later it is named: 79', async () => {
  const run = broken('trow-node-n2', noRoom)
  const begin = run.now()
  await assert.rejects(run.go(), codeIs('NODES_NOT_PULLING', 79, '1 of 2 nodes', 'n2', 'Insufficient cpu'))
  const time = run.now() - begin
  assert.ok(time >= 30_000 && time < 40_000, `after ${time} ms`)
})

test('an agent that ends again and again is not waited for; one that was cut off once is', async () => {
  await assert.rejects(
    broken('trow-node-n2', crashed(3)).go(),
    codeIs('NODES_NOT_PULLING', 79, 'n2', 'ended with 7'),
  )
  const run = broken('trow-node-n2', crashed(1))
  const sleep = run.sleep
  let rounds = 0
  run.sleep = async (milliseconds) => {
    await sleep(milliseconds)
    if (++rounds < 20) return
    run.cluster.podStatus = () => undefined
    run.cluster.report = () => ({})
    await run.cluster.start('trow-node-n2')
    await run.cluster.reportAgain()
  }
  await run.go()
})

test('pods that a controller may not make: what it says, and where to look, without the whole wait', async () => {
  const run = broken('trow-node-n2', noRoom)
  const message = 'pods "trow-node-x" is forbidden: maximum memory usage per Container is 64Mi'
  const event = { apiVersion: 'v1', kind: 'Event', metadata: { name: 'e', namespace: 'trow-node' } }
  run.cluster.makes = (name) => name !== 'trow-node-n2'
  run.cluster.put({ ...event, reason: 'FailedCreate', message })
  await assert.rejects(run.go(), codeIs('NODES_NOT_PULLING', 79, message, 'get limitrange,resourcequota'))
})

test('a registry that cannot pull its image, or ends again and again: told without waiting', async () => {
  for (const [status, word, hint] of [
    [backOff, kubelet, 'trow image load'],
    [crashed(3), 'ended with 7', 'logs trow-0'],
  ] as const) {
    const run = broken('trow-0', status)
    const begin = run.now()
    await assert.rejects(run.go(), codeIs('INSTALL_STUCK', 79, word, hint))
    assert.ok(run.now() - begin < 5000, `after ${run.now() - begin} ms`)
  }
})

test('a registry whose pod is refused: told as soon as the controller has tried again', async () => {
  const run = prepare()
  run.cluster.makes = (name) => name !== 'trow-0'
  const said = (time: string, words: string): object => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'trow' },
    reason: 'FailedCreate',
    message: words,
    lastTimestamp: time,
  })
  run.cluster.put(said('2026-11-24T11:00:00Z', 'long ago'))
  const sleep = run.sleep
  run.sleep = async (milliseconds) => {
    await sleep(milliseconds)
    run.cluster.put(said('2026-11-24T12:00:03Z', 'exceeded quota'))
  }
  const begin = run.now()
  await assert.rejects(
    run.go(),
    codeIs('INSTALL_STUCK', 79, 'exceeded quota', 'get limitrange,resourcequota'),
  )
  assert.ok(run.now() - begin < 15_000)
})

test('an upgrade with an image that nodes cannot pull ends at once, and leaves the registry as it is', async () => {
  const run = prepare()
  await run.go()
  run.cluster.writes.length = 0
  run.cluster.podStatus = (name) => (name.startsWith('trow-node-') ? backOff : undefined)
  const begin = run.now()
  const image = { reference: 'trow.test/trow:2', isDefault: false }
  run.cluster.lists('trow.test/trow:2')
  await assert.rejects(
    run.go({}, { image, version: '0.2.0' }),
    codeIs('INSTALL_STUCK', 79, 'n1, n2: its agent is not ready: ImagePullBackOff'),
  )
  assert.ok(!run.cluster.writes.includes('apply StatefulSet trow/trow'))
  assert.ok(run.now() - begin < 5000)
})

test('an upgrade does not wait for an agent that did not run before it', async () => {
  const run = broken('trow-node-n2', noRoom)
  await assert.rejects(run.go(), codeIs('NODES_NOT_PULLING', 79))
  run.cluster.writes.length = 0
  const image = { reference: 'trow.test/trow:2', isDefault: false }
  await assert.rejects(run.go({}, { image, version: '0.2.0' }), codeIs('NODES_NOT_PULLING', 79, 'n2'))
  assert.ok(run.cluster.writes.includes('apply StatefulSet trow/trow'))
})

test('of 300 agents that do not start only a few are asked about', async () => {
  const nodes = Array.from({ length: 300 }, (_, index) => `n${index}`)
  const run = broken('trow-node-', noRoom, nodes)
  let [asked, looks] = [0, 0]
  run.cluster.fault = (verb, kind) => {
    if (verb === 'list' && kind === 'Event') asked++
    if (verb === 'list' && kind === 'Node') looks++
  }
  await assert.rejects(run.go(), codeIs('NODES_NOT_PULLING', 79, 'n0, n1, n2 and 297 more: '))
  assert.ok(asked <= looks * 5, `${asked} events in ${looks} looks`)
})

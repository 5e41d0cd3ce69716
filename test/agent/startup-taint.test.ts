import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, before, beforeEach, suite, test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { startupTaint } from '../../src/cluster/layout.ts'
import { eventually } from '../support/program.ts'
import { makeCa } from '../trust/authorities.ts'
import { AgentNode, hostsFile, putDesiredState } from './agent-fixture.ts'
import { FakeObjects } from './fake-objects.ts'

const others = { key: 'dedicated', value: 'gpu', effect: 'NoSchedule' }
const reference = { apiVersion: 'v1', kind: 'Node', name: 'n1' }
const pace = { look: 50, assert: 3_600_000 }

suite('the startup taint', () => {
  let ca: string
  let objects: FakeObjects
  let node: AgentNode
  let port: number
  before(async () => {
    ca = await makeCa()
  })
  beforeEach(async () => {
    objects = new FakeObjects()
    port = await freePort()
    node = await AgentNode.make(objects)
    setTaints()
  })
  afterEach(async () => {
    await node.close()
  })

  function setTaints(): void {
    const there = objects.peek(reference)
    assert.ok(there)
    const taints = [{ key: startupTaint, effect: 'NoSchedule' }, others]
    objects.put({ ...there, spec: { podCIDR: '10.88.1.0/24', taints } })
  }
  const spec = (): unknown => objects.peek(reference)?.['spec']
  const free = { podCIDR: '10.88.1.0/24', taints: [others] }

  test('goes when the files stand, before anything was pulled, and others stay; each time that it comes', async () => {
    putDesiredState(objects, ca, { loopbackPort: port, startupTaint: true })
    node.runtime.hangs = true
    node.start({ pace })
    await eventually(async () => assert.deepEqual(spec(), free))
    assert.match(node.tree.read(hostsFile), /127\.0\.0\.1/)
    setTaints()
    await eventually(async () => assert.deepEqual(spec(), free))
  })

  test('stays while the files cannot be written, and goes once they are', async () => {
    node.tree.write(hostsFile, 'server = "https://elsewhere.test"\n')
    const before = spec()
    node.runtime.fault = 'no such host'
    putDesiredState(objects, ca, { loopbackPort: port, startupTaint: true })
    node.start({ pace })
    await node.reported(({ problems }) => problems[0]?.code === 'FILE_FOREIGN')
    assert.deepEqual(spec(), before)
    rmSync(join(node.tree.root, hostsFile))
    await eventually(async () => assert.deepEqual(spec(), free))
  })

  test('goes with an uninstall too, and is left alone where nobody has asked for it', async () => {
    const before = spec()
    putDesiredState(objects, ca, { loopbackPort: port })
    node.start({ pace })
    await node.reported(({ phase }) => phase === 'ready')
    assert.deepEqual(spec(), before)
    putDesiredState(objects, ca, { loopbackPort: port, mode: 'undo', startupTaint: true })
    await node.reported(({ phase }) => phase === 'undone')
    await eventually(async () => assert.deepEqual(spec(), free))
  })

  test('a right that is missing is a problem, and pulls go on', async () => {
    objects.refusePatch = true
    putDesiredState(objects, ca, { loopbackPort: port, startupTaint: true })
    node.start({ pace })
    const { phase, problems } = await node.reported((report) => report.phase === 'ready')
    assert.equal(phase, 'ready')
    assert.deepEqual(
      problems.map(({ code }) => code),
      ['STARTUP_TAINT_STAYS'],
    )
    objects.refusePatch = false
    await node.reported((report) => report.problems.length === 0)
    assert.deepEqual(spec(), free)
  })
})

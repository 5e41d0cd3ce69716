import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { RuntimeLease } from '../../src/agent/runtime-lease.ts'
import type { ClusterObjects } from '../../src/cluster/cluster-objects.ts'
import { FakeObjects } from './fake-objects.ts'

const namespace = 'trow-node'
const minute = 60_000

function leaseOf(objects: ClusterObjects, node: string, now: () => number = () => 0): RuntimeLease {
  return new RuntimeLease({ objects, namespace, node, now })
}

suite('whose turn it is to restart a runtime', () => {
  test('two nodes never have it at once, however their requests are mixed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 4 }), async (scheduler, count) => {
        const objects = new FakeObjects()
        const { list, patch, apply } = objects
        objects.list = scheduler.scheduleFunction(list.bind(objects))
        objects.patch = scheduler.scheduleFunction(patch.bind(objects))
        objects.apply = scheduler.scheduleFunction(apply.bind(objects))
        const asked = Array.from({ length: count }, (_, at) => leaseOf(objects, `n${at}`).take())
        const answers = await scheduler.waitFor(Promise.all(asked))
        Object.assign(objects, { list, patch, apply })
        assert.ok(answers.filter(({ held }) => held).length <= 1)
        // Every node that waits gets the turn in the end, and never while another one has it.
        const served = new Set<number>()
        for (let round = 0; round < 2 * count; round++) {
          for (let at = 0; at < count; at++) {
            const again = leaseOf(objects, `n${at}`)
            if (served.has(at) || !(await again.take()).held) continue
            served.add(at)
            await again.release()
          }
        }
        assert.equal(served.size, count)
      }),
      { numRuns: 300 },
    )
  })

  test('it is kept by renewing it, known to the next agent of the node, and lost ten minutes after the last word', async () => {
    const objects = new FakeObjects()
    let time = 0
    const [one, two] = ['n1', 'n2'].map((node) => leaseOf(objects, node, () => time))
    assert.ok(one && two)
    assert.deepEqual(await one.take(), { held: true })
    time = 9 * minute
    assert.deepEqual(await two.take(), { held: false, holder: 'n1' })
    assert.deepEqual(await one.take(), { held: true })
    assert.ok(await leaseOf(objects, 'n1').isHeld())
    assert.ok(!(await leaseOf(objects, 'n2').isHeld()))
    time = 18 * minute
    assert.deepEqual(await two.take(), { held: false, holder: 'n1' })
    time = 20 * minute
    assert.deepEqual(await two.take(), { held: true })
  })

  test('a wish that was cut off is no turn', async () => {
    const objects = new FakeObjects()
    const { list } = objects
    objects.list = async (selection) => {
      const found = await list.call(objects, selection)
      if (found.length > 0) throw new Error('killed')
      return found
    }
    await assert.rejects(leaseOf(objects, 'n1').take(), /killed/)
    objects.list = list
    assert.ok(!(await leaseOf(objects, 'n1').isHeld()))
    assert.deepEqual(await leaseOf(objects, 'n1').take(), { held: true })
  })

  test('the Lease of agents of the release before counts, and what stands in that of another node does not', async () => {
    const objects = new FakeObjects()
    const renewTime = new Date(0).toISOString()
    const spec = { holderIdentity: 'n9', acquireTime: renewTime, renewTime }
    const put = (name: string): void =>
      objects.put({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name, namespace },
        spec,
      })
    put('node-n1')
    assert.ok(!(await leaseOf(objects, 'n9').isHeld()))
    assert.deepEqual(await leaseOf(objects, 'n2').take(), { held: true })
    await leaseOf(objects, 'n2').release()
    put('trow-node-restart')
    assert.deepEqual(await leaseOf(objects, 'n2').take(), { held: false, holder: 'n9' })
    assert.ok(await leaseOf(objects, 'n9').isHeld())
  })
})

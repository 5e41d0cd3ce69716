import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import { ClusterLease } from '../../src/cluster/cluster-lease.ts'
import type { KubeReference } from '../../src/cluster/cluster-objects.ts'
import { FakeObjects } from '../support/fake-objects.ts'

/** Refuses a patch of a version that is no longer there, as an API server does. */
class Objects extends FakeObjects {
  override patch(reference: KubeReference, patch: { metadata?: { resourceVersion?: string } }) {
    const known = this.objects.find(({ metadata }) => metadata.name === reference.name)
    const wanted = patch.metadata?.resourceVersion
    if (wanted === undefined || wanted === known?.metadata.resourceVersion)
      return super.patch(reference, patch)
    return Promise.reject(new ClusterFault('refused', 'the object has been modified', { status: 409 }))
  }
}

class World {
  readonly objects = new Objects()
  readonly clock = { wall: 1_000_000, monotonic: 0 }

  constructor() {
    this.objects.put({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'trow-admission', namespace: 'trow' },
    })
  }

  lease(identity: string, wall = () => this.clock.wall): ClusterLease {
    return new ClusterLease({
      objects: this.objects,
      namespace: 'trow',
      name: 'trow-admission',
      identity,
      now: wall,
      monotonic: () => this.clock.monotonic,
    })
  }

  pass(seconds: number): void {
    this.clock.wall += seconds * 1000
    this.clock.monotonic += seconds * 1000
  }
}

suite('a Lease', () => {
  test('is one process’s, as long as it renews it', async () => {
    const world = new World()
    const [one, two] = [world.lease('one'), world.lease('two')]
    assert.equal(await one.take(), true)
    for (let round = 0; round < 10; round++) {
      assert.equal(await two.take(), false)
      world.pass(5)
      assert.equal(await one.take(), true)
    }
    assert.deepEqual([one.isHeld, two.isHeld], [true, false])
  })

  test('is another’s 15 s after the last renewal that it has seen, and the former knows that it is not its any more', async () => {
    const world = new World()
    const [one, two] = [world.lease('one'), world.lease('two')]
    await one.take()
    world.pass(10)
    assert.equal(await two.take(), false)
    world.pass(14)
    assert.equal(await two.take(), false)
    assert.equal(one.isHeld, false)
    world.pass(2)
    assert.equal(await two.take(), true)
    assert.equal(await one.take(), false)
  })

  test('is not taken early by a process whose clock is wrong', async () => {
    const world = new World()
    const one = world.lease('one')
    const ahead = world.lease('two', () => world.clock.wall + 3_600_000)
    await one.take()
    assert.equal(await ahead.take(), false)
  })

  test('that two want at once is one’s', async () => {
    const world = new World()
    const taken = await Promise.all(['a', 'b', 'c'].map((name) => world.lease(name).take()))
    assert.equal(taken.filter(Boolean).length, 1)
  })

  test('is free at once when it is given up', async () => {
    const world = new World()
    const [one, two] = [world.lease('one'), world.lease('two')]
    await one.take()
    await one.release()
    assert.equal(one.isHeld, false)
    assert.equal(await two.take(), true)
    // What is another's by now is not given up.
    await one.release()
    assert.equal(await two.take(), true)
  })

  test('that is not there cannot be held', async () => {
    const world = new World()
    await world.objects.delete({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      name: 'trow-admission',
      namespace: 'trow',
    })
    await assert.rejects(world.lease('one').take(), ClusterFault)
  })

  test('that has another form is a fault of the cluster, in words', async () => {
    const world = new World()
    world.objects.put({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'trow-admission', namespace: 'trow' },
      spec: { leaseDurationSeconds: 'long' },
    })
    await assert.rejects(world.lease('one').take(), {
      name: 'ClusterFault',
      message: 'Lease trow-admission cannot be read: spec.leaseDurationSeconds is not a number',
    })
  })
})

import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryWatch } from '../../src/install/registry-watch.ts'
import { templateAnnotation, type Workload } from '../../src/install/workload.ts'
import { FakeObjects } from '../support/fake-objects.ts'

const metadata = { name: 'trow', namespace: 'trow', generation: 2 }
const template = { metadata: { annotations: { [templateAnnotation]: 'new' } }, spec: {} }
const wanted = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata,
  spec: { template },
} as unknown as Workload

suite("the registry's pod is replaced", () => {
  function prepare(pod: { revision: string; ready: boolean; template: string }, observed = 2): FakeObjects {
    const objects = new FakeObjects()
    const labels = {
      'app.kubernetes.io/name': 'trow',
      'app.kubernetes.io/component': 'registry',
      'controller-revision-hash': pod.revision,
    }
    const annotations = { [templateAnnotation]: pod.template }
    objects.put(
      { ...wanted, status: { observedGeneration: observed, updateRevision: 'trow-2' } },
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'trow-0', namespace: 'trow', uid: 'one', labels, annotations },
        status: { conditions: [{ type: 'Ready', status: pod.ready ? 'True' : 'False' }] },
      },
    )
    return objects
  }
  const isThere = async (objects: FakeObjects): Promise<boolean> =>
    (await objects.get({ apiVersion: 'v1', kind: 'Pod', name: 'trow-0', namespace: 'trow' })) !== undefined

  const look = (objects: FakeObjects): ReturnType<RegistryWatch['look']> =>
    new RegistryWatch(objects, wanted, () => 0).look()

  test('an old one that is not ready is taken away, for a StatefulSet waits for it', async () => {
    const objects = prepare({ revision: 'trow-1', ready: false, template: 'old' })
    const outcome = await look(objects)
    assert.match(JSON.stringify(outcome), /trow-0 of before is not ready/)
    assert.equal(await isThere(objects), false)
  })

  test('one that is ready, new, or of a revision that is not known yet is left to the StatefulSet', async () => {
    for (const objects of [
      prepare({ revision: 'trow-1', ready: true, template: 'old' }),
      prepare({ revision: 'trow-2', ready: false, template: 'new' }),
      prepare({ revision: 'trow-1', ready: false, template: 'old' }, 1),
    ]) {
      assert.equal((await look(objects)).done, false)
      assert.equal(await isThere(objects), true)
    }
    const done = prepare({ revision: 'trow-2', ready: true, template: 'new' })
    assert.deepEqual(await look(done), { done: true })
  })
})

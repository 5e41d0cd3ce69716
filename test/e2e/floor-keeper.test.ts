import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { readBreakGlass } from '../../src/admission/break-glass.ts'
import {
  floorBindingObject,
  floorPolicyObject,
  floorReferences,
} from '../../src/policy/floor/floor-objects.ts'
import type { OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import { FloorKeeper } from '../../src/serve/admission/floor-keeper.ts'
import type { FloorStatus } from '../../src/serve/admission/floor-status.ts'
import { makePolicies, policy } from '../policy/fixtures.ts'
import { apiServerProblem } from '../support/api-server.ts'
import { eventually } from '../support/program.ts'
import { excludedNamespaces, FloorCluster } from './floor-fixture.ts'

const bad = 'evil.com/x'
const set = makePolicies([policy({ rules: [{ scope: 'ghcr.io/acme', unverified: true }] })])

suite('the keeper of the floor and a real API server', { skip: apiServerProblem() }, () => {
  let cluster: FloorCluster
  let objects: OpenClusterObjects
  let keeper: FloorKeeper
  let running: Promise<void>
  let status: FloorStatus | undefined
  const writes: string[] = []

  before(async () => {
    cluster = await FloorCluster.start()
    await cluster.door.namespace('trow')
    objects = await cluster.admission()
    start()
  })
  after(async () => {
    keeper.close()
    await running
    await cluster.close()
  })

  function start(): void {
    const log = { debug() {}, warn() {}, error() {}, info: (message: string) => void writes.push(message) }
    keeper = new FloorKeeper({
      objects,
      breakGlass: { namespace: 'trow', name: 'break-glass', read: readBreakGlass },
      excluded: excludedNamespaces,
      isHolder: () => true,
      now: () => Date.now(),
      monotonic: () => performance.now(),
      onStatus: (told) => (status = told),
      log,
    })
    running = keeper.run()
    keeper.put({ ...set, generation: 1, hash: 'sha256:1' })
  }

  const answer = () => cluster.door.ask({ containers: [bad] })
  const closed = () => eventually(async () => assert.match(await answer(), /refused by the floor/))
  const open = () => eventually(async () => assert.equal(await answer(), 'allow'))

  test('what it has written is stored as it was written, and written once', async () => {
    await closed()
    assert.equal(status?.state, 'closed')
    assert.deepEqual(status.problems, [])
    assert.deepEqual(writes, Array(3).fill('an object of the floor was made'))
  })

  test('a change of policies is in force', async () => {
    keeper.put({
      ...makePolicies([policy({ rules: [{ scope: 'evil.com', unverified: true }] })]),
      generation: 2,
      hash: 'sha256:2',
    })
    await open()
    keeper.put({ ...set, generation: 3, hash: 'sha256:3' })
    await closed()
  })

  test('what others delete, change or add is put back', async () => {
    const made = {
      policy: floorPolicyObject(excludedNamespaces).spec,
      binding: floorBindingObject().spec,
    }
    for (const place of ['parameters', 'policy', 'binding'] as const) {
      await cluster.objects.delete(floorReferences[place])
      await eventually(async () => assert.ok(await cluster.objects.get(floorReferences[place])))
    }
    await closed()
    const conditions = { matchConditions: [{ name: 'never', expression: 'false' }] }
    await cluster.server.kubectl([
      'patch',
      'validatingadmissionpolicy',
      'trow-floor',
      '--type=merge',
      '-p',
      JSON.stringify({ spec: conditions }),
    ])
    const narrowed = {
      matchResources: { namespaceSelector: { matchLabels: { a: 'b' } } },
      validationActions: ['Audit'],
    }
    await cluster.server.kubectl([
      'patch',
      'validatingadmissionpolicybinding',
      'trow-floor',
      '--type=merge',
      '-p',
      JSON.stringify({ spec: narrowed }),
    ])
    await eventually(async () => {
      assert.deepEqual((await cluster.objects.get(floorReferences.policy))?.['spec'], made.policy)
      assert.deepEqual((await cluster.objects.get(floorReferences.binding))?.['spec'], made.binding)
    })
    await closed()
  })

  test('break-glass with trow down opens it, trow coming back leaves it open, and its end closes it', async () => {
    keeper.close()
    await running
    await closed()
    const until = new Date(Date.now() + 8000).toISOString()
    await cluster.server.kubectl([
      'create',
      'configmap',
      'break-glass',
      '-n',
      'trow',
      `--from-literal=until=${until}`,
      '--from-literal=reason=fire',
    ])
    await cluster.server.kubectl([
      'delete',
      'validatingadmissionpolicybinding',
      'trow-floor',
      '--ignore-not-found',
    ])
    await open()
    start()
    await eventually(async () => assert.equal(status?.state, 'open'))
    assert.equal(await answer(), 'allow')
    await closed()
    assert.ok(Date.now() >= Date.parse(until))
    const map = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'trow', name: 'break-glass' }
    await eventually(async () => assert.equal(await cluster.objects.get(map), undefined))
  })

  test('taken away it refuses nothing, and leaves nothing', async () => {
    await keeper.remove()
    for (const reference of Object.values(floorReferences))
      assert.equal(await cluster.objects.get(reference), undefined)
    await open()
  })
})

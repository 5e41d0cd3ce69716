import assert from 'node:assert/strict'
import { beforeEach, suite, test } from 'node:test'
import { clusterFloor } from '../../../src/cli/policy/cluster-floor.ts'
import { layoutOf } from '../../../src/cluster/layout.ts'
import { hashOfObjects } from '../../../src/policy-store/policies-hash.ts'
import { FakeObjects } from '../../support/fake-objects.ts'

const now = Date.parse('2026-11-29T12:00:00Z')
const kind = 'TrowPolicy'
const said = {
  status: 'True',
  reason: 'Loaded',
  message: '',
  lastTransitionTime: '2026-11-29T10:00:01Z',
  observedGeneration: 3,
}
const policy = {
  apiVersion: 'policy.trow.io/v1alpha1',
  kind,
  metadata: {
    name: 'production',
    generation: 3,
    creationTimestamp: '2026-11-29T10:00:00Z',
    resourceVersion: '1',
    uid: 'u',
  },
  spec: { mode: 'enforce', default: 'deny' },
  status: {
    observedGeneration: 3,
    conditions: [
      { ...said, type: 'Accepted' },
      { ...said, type: 'Enforcing' },
    ],
  },
}

suite('the floor of a cluster, in trow policy status', () => {
  let objects: FakeObjects

  const found = () => clusterFloor({ objects, layout: layoutOf('trow') }, now)
  const floor = (hash: string): object => ({
    apiVersion: 'policy.trow.io/v1alpha1',
    kind: 'TrowFloor',
    metadata: {
      name: 'trow',
      annotations: { 'policy.trow.io/since': '2026-11-29T10:00:01.000Z', 'policy.trow.io/hash': hash },
    },
    spec: { noPolicy: 'allow', policies: [{ name: 'production', enforce: true }] },
  })

  beforeEach(() => {
    const registration = { apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name: 'trow-floor' } }
    objects = new FakeObjects()
    objects.put(
      policy,
      { ...registration, kind: 'ValidatingAdmissionPolicy' },
      { ...registration, kind: 'ValidatingAdmissionPolicyBinding' },
      floor(hashOfObjects([policy], now)),
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'trow-admission', namespace: 'trow' } },
    )
  })

  test('is in step with the policies, or is not', async () => {
    assert.deepEqual(await found(), [
      {
        description:
          'the floor in the API server refuses names while trow is down: by production, in step with them, since 2026-11-29T10:00:01.000Z',
        result: 'success',
      },
    ])
    objects.put(floor('sha256:of-others'))
    const [check] = await found()
    assert.equal(check?.result, 'error')
    assert.match(check.error ?? '', /it is not that of the policies/)
  })

  test('is not expected at once to be that of a policy that was changed just now, or was refused', async () => {
    objects.put(floor('sha256:of-others'))
    for (const more of [
      { metadata: { ...policy.metadata, creationTimestamp: new Date(now - 2000).toISOString() } },
      {
        status: { observedGeneration: 3, conditions: [{ ...policy.status.conditions[0], status: 'False' }] },
      },
    ]) {
      objects.put({ ...policy, ...more })
      assert.deepEqual(
        (await found()).map(({ result }) => result),
        ['success'],
      )
    }
  })

  test('an exception that has ended is none of it', async () => {
    const ended = (time: number): object => ({
      ...policy,
      kind: 'TrowException',
      metadata: { ...policy.metadata, name: 'once' },
      spec: { expires: new Date(time).toISOString() },
    })
    objects.put(ended(now - 60_000))
    assert.equal((await found())[0]?.result, 'success')
    objects.put(ended(now + 60_000))
    assert.equal((await found())[0]?.result, 'error')
  })

  test('is none of a cluster in which trow does not judge pods', async () => {
    await objects.delete({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      namespace: 'trow',
      name: 'trow-admission',
    })
    assert.deepEqual(await found(), [])
  })
})

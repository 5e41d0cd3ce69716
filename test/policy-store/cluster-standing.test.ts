import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { clusterStatus, standingOf } from '../../src/policy-store/cluster-standing.ts'

const now = Date.parse('2026-11-29T08:00:00Z')
const apiVersion = 'policy.trow.io/v1alpha1'
const settings = { ownHosts: new Set<string>(), now, longestException: Infinity, requireTicket: false }

function policy(name: string, status: object | undefined, changedAt = now): KubeObject {
  return {
    apiVersion,
    kind: 'TrowPolicy',
    metadata: {
      name,
      uid: name,
      generation: 3,
      managedFields: [
        {
          manager: 'kubectl',
          operation: 'Apply',
          time: new Date(changedAt).toISOString(),
          fieldsV1: { 'f:spec': {} },
        },
      ],
    },
    spec: { mode: 'enforce', default: 'pass', deny: [{ scope: 'quay.io', reason: 'r' }] },
    ...(status === undefined ? {} : { status }),
  }
}
const lastTransitionTime = '2026-11-29T07:00:00Z'
const said = (
  type: 'Accepted' | 'Enforcing',
  status: 'True' | 'False',
  { reason = 'R', message = 'why', observedGeneration = 3 } = {},
) => ({ type, status, reason, message, lastTransitionTime, observedGeneration })
const standing = (conditions: object[], more: object = {}) =>
  standingOf({ kind: 'TrowPolicy', object: policy('p', { observedGeneration: 3, conditions, ...more }) }, now)

suite('what an object of the cluster says of itself', () => {
  test('in force is what is accepted and enforced as it is now', () => {
    const good = standing([said('Accepted', 'True'), said('Enforcing', 'True')])
    assert.deepEqual(good, { isInForce: true, generation: 3, problems: [] })
    const ended = standing([said('Accepted', 'True'), said('Enforcing', 'False', { reason: 'Expired' })])
    assert.equal(ended.isInForce, true)
  })

  test('what was last good is not in force as it is now', () => {
    const conditions = [said('Accepted', 'False'), said('Enforcing', 'True', { reason: 'LastGood' })]
    const { isInForce, problems } = standing(conditions, { problems: ['spec.mode: must be …'] })
    assert.equal(isInForce, false)
    assert.deepEqual(problems, [{ place: undefined, message: 'spec.mode: must be …' }])
  })

  test('what was said of an earlier generation says nothing of this one', () => {
    const old = { observedGeneration: 2 }
    const { isInForce, problems } = standing([said('Accepted', 'True', old), said('Enforcing', 'True', old)])
    assert.equal(isInForce, false)
    assert.match(problems[0]?.message ?? '', /has not said yet/)
  })

  test('a registry that has said nothing for longer than its watch may be silent is named', () => {
    const of = (ago: number) => standingOf({ kind: 'TrowPolicy', object: policy('p', undefined, now - ago) }, now).problems[0]?.message ?? '' // prettier-ignore
    assert.match(of(10_000), /has not said yet/)
    assert.match(of(34_000), /has said nothing about it for 34 s/)
  })
})

test('the status of a cluster is that of its objects', () => {
  const good = { conditions: [said('Accepted', 'True'), said('Enforcing', 'True')] }
  const units = (status: object | undefined) => [
    { kind: 'TrowPolicy' as const, object: policy('a', good) },
    { kind: 'TrowPolicy' as const, object: policy('b', status) },
  ]
  assert.equal(clusterStatus(units(good), 'the cluster', settings).ok, true)
  const { ok, units: found, source } = clusterStatus(units(undefined), 'the cluster', settings)
  assert.deepEqual([ok, source], [false, 'the cluster'])
  assert.deepEqual(found.map(({ name, problems }) => [name, problems.length]), [['trowpolicies/a', 0], ['trowpolicies/b', 1]]) // prettier-ignore
  const [object] = found[0]?.objects ?? []
  assert.ok(object?.kind === 'TrowPolicy')
  assert.deepEqual([object.name, object.denied, object.modes['pull']], ['a', 1, 'enforce'])
})

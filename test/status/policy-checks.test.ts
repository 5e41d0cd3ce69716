import assert from 'node:assert/strict'
import { beforeEach, suite, test } from 'node:test'
import { isHealthy } from '../../src/cli/status/print-status.ts'
import type { Status } from '../../src/status/status.ts'
import type { FakeObjects } from '../support/fake-objects.ts'
import { configMap, faults, linesOf, openInstalled } from './installed-cluster.ts'

suite('policies in the status', () => {
  let objects: FakeObjects
  let now: number
  let look: () => Promise<Status>
  const definition = (plural: string): object => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.policy.trow.io` },
  })
  const policy = (
    name: string,
    { age = 60_000, ...status }: Record<string, unknown> & { age?: number },
  ): object => ({
    apiVersion: 'policy.trow.io/v1alpha1',
    kind: 'TrowPolicy',
    metadata: { name, generation: 2, creationTimestamp: new Date(now - age).toISOString() },
    spec: {},
    status,
  })
  const condition = (type: string, status: string, message = ''): object => ({
    type,
    status,
    message,
    reason: 'Any',
    lastTransitionTime: '2026-11-24T12:00:00Z',
    observedGeneration: 2,
  })
  const good = {
    observedGeneration: 2,
    conditions: [condition('Accepted', 'True'), condition('Enforcing', 'True')],
  }
  const lines = (status: Status): string[] => linesOf(status, 'policies')
  beforeEach(async () => {
    const installed = await openInstalled()
    ;({ objects, now } = installed)
    look = () => installed.look()
    objects.put(
      configMap('trow-config', 'trow', { 'trow.yaml': 'policy-cluster: true\n' }),
      definition('trowpolicies'),
      definition('trowexceptions'),
    )
  })

  test('are none of a registry that does not follow them', async () => {
    objects.put(configMap('trow-config', 'trow', { 'trow.yaml': '' }))
    assert.deepEqual(lines(await look()), [])
  })

  test('are counted', async () => {
    assert.deepEqual(lines(await look()), ['there is no policy: every image is allowed|'])
    objects.put(policy('a', good), policy('b', good))
    const all = 'the registry judges by the policies as they are written'
    assert.deepEqual(lines(await look()), [`${all} (2 TrowPolicies, 0 TrowExceptions)|`])
  })

  test('that do not load are named, with what is in force', async () => {
    const message = 'spec.rules[0].scope: SCOPE_SHORT: nginx has no host'
    const broken = (last: string): object => ({
      observedGeneration: 2,
      conditions: [condition('Accepted', 'False', message), condition('Enforcing', last)],
    })
    objects.put(policy('a', good), policy('b', { ...broken('True') }), policy('c', { ...broken('False') }))
    const status = await look()
    assert.deepEqual(
      faults(status).map(({ error, hint }) => [error, hint?.split(': ').at(-1)]),
      [
        [`TrowPolicy b is not accepted: ${message}`, 'what was last good of it stays in force.'],
        [`TrowPolicy c is not accepted: ${message}`, 'nothing of it is in force.'],
      ],
    )
    assert.ok(!isHealthy(status))
  })

  test('that the registry has not looked at within ten seconds say that it is silent', async () => {
    objects.put(policy('a', { age: 2000 }))
    assert.deepEqual(faults(await look()), [])
    objects.put(policy('a', { ...good, observedGeneration: 1 }))
    assert.deepEqual(
      faults(await look()).map(({ error }) => error),
      ['the registry is silent about TrowPolicy a: it has not looked at it since its last change'],
    )
  })

  test('whose definitions are gone', async () => {
    await objects.delete({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      name: 'trowexceptions.policy.trow.io',
    })
    const [fault] = faults(await look())
    assert.match(fault?.error ?? '', /CustomResourceDefinition .* is missing: what was last good stays/)
    assert.match(fault?.hint ?? '', /trow install/)
  })
})

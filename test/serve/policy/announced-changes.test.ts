import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { PolicyChange } from '../../../src/policy-store/policy-change.ts'
import { AnnouncedChanges } from '../../../src/serve/policy/announced-changes.ts'

function announced(object: string, hash: string | undefined, user = 'ann', id = 'r1') {
  const rest = { kind: 'policy', id, time: 1, groups: ['dev'], operation: 'UPDATE' } as const
  return { ...rest, user, object, hash }
}

function change(
  object: string,
  hash: string | undefined,
  kind: PolicyChange['kind'] = 'changed',
): PolicyChange {
  const nobody = { changedBy: undefined, changedAt: undefined, problem: undefined }
  return { kind, object, unit: object, hash, before: 'sha256:0', ...nobody }
}

suite('changes that a webhook has announced', () => {
  test('are found by object and content, once', () => {
    const changes = new AnnouncedChanges()
    changes.add([announced('TrowPolicy/a', 'sha256:1')])
    assert.equal(changes.take(change('TrowPolicy/b', 'sha256:1')), undefined)
    assert.equal(changes.take(change('TrowPolicy/a', 'sha256:2')), undefined)
    const found = { user: 'ann', groups: ['dev'], id: 'r1' }
    assert.deepEqual(changes.take(change('TrowPolicy/a', 'sha256:1')), found)
    assert.equal(changes.take(change('TrowPolicy/a', 'sha256:1')), undefined)
  })

  test('that were let through and not made are not taken for another', () => {
    const changes = new AnnouncedChanges()
    changes.add([announced('TrowPolicy/a', 'sha256:1', 'mallory')])
    assert.equal(changes.take(change('TrowPolicy/a', undefined, 'deleted')), undefined)
    assert.equal(changes.take(change('TrowPolicy/a', 'sha256:1', 'rejected')), undefined)
  })

  test('are the last of equal ones, and the last thousand', () => {
    const changes = new AnnouncedChanges()
    changes.add([announced('TrowPolicy/a', undefined, 'ann'), announced('TrowPolicy/a', undefined, 'bob')])
    assert.equal(changes.take(change('TrowPolicy/a', undefined, 'deleted'))?.user, 'bob')
    changes.add(Array.from({ length: 1001 }, (_, each) => announced(`TrowPolicy/p${each}`, 'sha256:1')))
    assert.equal(changes.take(change('TrowPolicy/p0', 'sha256:1')), undefined)
    assert.notEqual(changes.take(change('TrowPolicy/p1', 'sha256:1')), undefined)
  })
})

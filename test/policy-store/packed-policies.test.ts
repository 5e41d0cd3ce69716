import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { decide } from '../../src/policy/decide.ts'
import { loadPolicyDocuments } from '../../src/policy/policy-documents.ts'
import { packPolicies, unpackPolicies } from '../../src/policy-store/packed-policies.ts'
import type { PolicySnapshot } from '../../src/policy-store/policy-snapshot.ts'
import { exception, loading, now, policy, settings } from '../policy/fixtures.ts'

function digestOf(place: number): string {
  return `sha256:${createHash('sha256').update(String(place)).digest('hex')}`
}

function snapshot(documents: readonly unknown[]): PolicySnapshot {
  const { problems, ...loaded } = loadPolicyDocuments(documents, loading)
  assert.deepEqual(problems, [])
  return { hash: 'sha256:1', generation: 7, registryGeneration: 7, settings, now, ...loaded }
}

/** As many as one object may have, each of both lists. */
function largest(): object {
  const places = Array.from({ length: 10_000 }, (_, place) => place)
  return policy({
    deny: places.map((place) => ({ digest: digestOf(place), reason: 'x' })),
    rules: places.map((place) => ({ scope: `r${place % 100}.example/team-${place}`, unverified: true })),
  })
}

suite('policies that were packed', () => {
  test('answer as those that they were packed from: each rule, denied digest, scope and exception', async () => {
    const documents = [
      largest(),
      policy({ default: 'pass', deny: [{ scope: 'quay.io/bad', reason: 'y' }] }, 'q'),
      ...Array.from({ length: 1200 }, (_, place) =>
        exception({ images: [{ scope: `excepted.example/app-${place}` }] }, `e-${place}`),
      ),
    ]
    const packed = packPolicies(snapshot(documents), 0)
    assert.ok(packed.ends.length > 40, 'it has many parts')
    const set = await unpackPolicies(structuredClone(packed))
    const verdict = (name: string): string => {
      const images = [{ place: '', name, fact: undefined }]
      const answer = decide({ point: 'admission', namespace: 'any', images }, set, now)
      if (answer.kind !== 'deny') return answer.kind
      return answer.verdicts.flatMap(({ refusals }) => refusals.map(({ reason }) => reason)).join(' ')
    }
    for (const place of [0, 499, 500, 501, 9999]) {
      assert.equal(verdict(`r${place % 100}.example/team-${place}/app`), 'allow')
      assert.equal(verdict(`r0.example/team-0@${digestOf(place)}`), 'DENY_LIST')
    }
    assert.equal(verdict('r1.example/team-0'), 'NOT_ALLOWED')
    assert.equal(verdict(`r0.example/team-0@${digestOf(10_000)}`), 'allow')
    assert.equal(verdict('quay.io/bad'), 'NOT_ALLOWED DENY_LIST')
    for (const place of [0, 499, 500, 1199]) assert.equal(verdict(`excepted.example/app-${place}`), 'allow')
    assert.equal(verdict('excepted.example/app-1200'), 'NOT_ALLOWED')
  })

  test('are read in turns with others', async () => {
    const packed = packPolicies(snapshot([largest()]), 0)
    let turns = 0
    const others = setInterval(() => turns++)
    await unpackPolicies(packed)
    clearInterval(others)
    assert.ok(turns >= 2, `${turns} turns`)
  })

  test('that are cut are no policies', async () => {
    const packed = packPolicies(snapshot([]), 0)
    await assert.rejects(unpackPolicies({ ...packed, ends: [] }), /cut/)
  })
})

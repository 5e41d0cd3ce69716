import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { loadPolicyDocuments } from '../../src/policy/policy-documents.ts'
import { packPolicies, type PackedPolicies } from '../../src/policy-store/packed-policies.ts'
import { systemUptime } from '../../src/serve/threads/system-uptime.ts'
import { WorkerPolicies } from '../../src/serve/threads/worker-policies.ts'
import { exception, loading, settings } from '../policy/fixtures.ts'
import { isCollected } from '../support/collected.ts'

function packed(
  generation: number,
  { now = Date.now(), madeAt = systemUptime(), exceptions = 0 } = {},
): PackedPolicies {
  const documents = Array.from({ length: exceptions }, (_, place) =>
    exception({ images: [{ scope: `quay.io/app-${place}` }] }, `e-${place}`),
  )
  const { problems, ...loaded } = loadPolicyDocuments(documents, loading)
  assert.deepEqual(problems, [])
  const numbers = { generation, registryGeneration: generation, hash: `sha256:${generation}` }
  return packPolicies({ ...numbers, settings, now, ...loaded }, madeAt)
}

function generationOf({ current }: WorkerPolicies): number | undefined {
  return current?.generation
}

suite('the policies of a worker', () => {
  test('are none at first, and then the latest, whichever was read first', async () => {
    const policies = new WorkerPolicies()
    assert.equal(generationOf(policies), undefined)
    // The older ones take longer to be read.
    const older = policies.take(packed(1, { exceptions: 10_000 }))
    const newer = policies.take(packed(2))
    await older
    assert.equal(generationOf(policies), 2, 'those that were read are in force, or newer ones')
    await newer
    assert.equal(generationOf(policies), 2)
  })

  test('are waited for by generation, and no longer than the limit', async () => {
    const policies = new WorkerPolicies()
    await policies.take(packed(1))
    const started = performance.now()
    await policies.newerThan(1, 50)
    assert.ok(performance.now() - started >= 45)
    assert.equal(generationOf(policies), 1)
    const newer = policies.newerThan(1, 60_000)
    await policies.take(packed(2))
    await newer
    await policies.newerThan(1, 60_000)
  })

  test('have the clock of the policy thread, which the wall clock does not set back', async () => {
    const policies = new WorkerPolicies()
    const hour = 3_600_000
    const near = (time: number): boolean => Math.abs(policies.now() - time) < 10_000
    assert.ok(near(Date.now()))
    await policies.take(packed(1, { now: Date.now() + 2 * hour, madeAt: systemUptime() - hour }))
    assert.ok(near(Date.now() + 3 * hour), 'that of when it was packed, and what has passed since')
    await policies.take(packed(2, { now: Date.now() - hour }))
    assert.ok(near(Date.now()), 'at least the wall clock')
  })

  test('hold nothing of the bytes that they were read from', async () => {
    const policies = new WorkerPolicies()
    const taken = async (): Promise<WeakRef<SharedArrayBuffer>> => {
      const given = packed(1)
      await policies.take(given)
      return new WeakRef(given.bytes)
    }
    assert.ok(await isCollected(await taken()))
    assert.equal(generationOf(policies), 1)
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ImageVerdict } from '../../src/policy/decide.ts'
import type { Refusal } from '../../src/policy/judge-policy.ts'
import { gatherFindings } from '../../src/scan/gather-findings.ts'
import type { RunningGroup } from '../../src/scan/running-groups.ts'

const refusal: Refusal = { policy: 'p', reason: 'NOT_ALLOWED', detail: 'no', fix: undefined, rule: undefined }

function verdictOf(parts: Partial<ImageVerdict>): ImageVerdict {
  return {
    image: { place: '', name: 'x', fact: undefined },
    canonical: 'x',
    refusals: [],
    warnings: [],
    wouldDeny: [],
    excepted: [],
    unchecked: [],
    ...parts,
  }
}

test('what is enforced comes first, then what concerns most pods; beyond 500 findings the least are left out', async () => {
  const groups: RunningGroup[] = []
  const verdicts = new Map<RunningGroup['images'][number]['image'], ImageVerdict>()
  const add = (name: string, pods: number, parts: Partial<ImageVerdict>): void => {
    const image = { namespace: 'n', name, imageId: '' }
    verdicts.set(image, verdictOf(parts))
    const owner = { apiVersion: 'apps/v1', kind: 'DaemonSet', name }
    const images = [
      { place: 'a', image },
      { place: 'b', image },
    ]
    groups.push({ namespace: 'n', isStatic: false, owner, images, pods, example: { name, node: 'n1' } })
  }
  for (let place = 0; place < 600; place++) add(`audit-${place}`, place + 1, { wouldDeny: [refusal] })
  add('warned', 1, { warnings: [refusal] })
  add('refused', 1, { refusals: [refusal] })
  add('excepted', 5, { excepted: [{ exception: 'e', refusal }] })
  add('passed-over', 7, { unchecked: [{ ...refusal, reason: 'FACT_TIMEOUT' }] })
  const found = await gatherFindings({
    running: { groups, images: [...verdicts.keys()], pods: 200_000, leftOut: 3 },
    verdicts,
    owners: { topOf: ({ owner }) => owner },
    generation: 4,
    at: '2020-01-01T00:00:00Z',
    seconds: 1,
  })
  const names = found.findings.map(({ owner, pods }) => `${owner.name} ${pods}`)
  assert.deepEqual(names.slice(0, 4), ['refused 1', 'warned 1', 'audit-599 600', 'audit-598 599'])
  assert.deepEqual([names.length, names.at(-1), found.leftOut.findings], [500, 'audit-102 103', 102])
  assert.deepEqual(
    found.owners.map(({ owner }) => owner.name),
    Array.from({ length: 20 }, (_, place) => `audit-${599 - place}`),
  )
  assert.equal(found.violating, (600 * 601) / 2 + 2)
  assert.deepEqual([found.excepted, found.unchecked, found.notLookedAt], [5, 7, 3])
  assert.deepEqual(
    found.policies.map(({ mode, pods }) => `${mode} ${pods}`),
    ['audit 180300', 'warn 1', 'enforce 1'],
  )
})

import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readBreakGlass } from '../../src/admission/break-glass.ts'
import { openAdmission } from './admission-server.ts'
import { containers, pod, reviewText } from './reviews.ts'

const now = Date.parse('2026-11-29T08:00:00Z')

suite('break-glass', () => {
  test('is open until its time, and then no more', () => {
    const data = { until: '2026-11-29T08:30:00Z', reason: 'the registry is gone' }
    assert.deepEqual(readBreakGlass(data, now), { until: now + 1_800_000, reason: 'the registry is gone' })
    assert.equal(readBreakGlass(data, now + 1_800_000), undefined)
  })

  test('without an end, or with one that is no time, opens nothing', () => {
    for (const until of [
      '',
      'forever',
      '2026-11-30',
      '1',
      '9999999999999',
      '2026-13-45T00:00:00Z',
      'Infinity',
    ])
      assert.equal(readBreakGlass({ until }, now), undefined, until)
    assert.equal(readBreakGlass(undefined, now), undefined)
    assert.equal(readBreakGlass({}, now), undefined)
  })

  test('lets in what is refused, says so, and is recorded', async () => {
    const documents = [
      {
        apiVersion: 'policy.trow.io/v1alpha1',
        kind: 'TrowPolicy',
        metadata: { name: 'production' },
        spec: { mode: 'enforce', default: 'deny' },
      },
    ]
    const open = { until: now, reason: 'storage is gone' }
    const state: { open: typeof open | undefined } = { open }
    await using server = await openAdmission({ documents, breakGlass: () => state.open })
    const text = reviewText({ object: pod({ containers: containers('nginx') }) })
    const answer = await server.send('/pods', text)
    assert.equal(answer.isAllowed, true)
    assert.match(
      answer.warnings[0] ?? '',
      /break-glass lets it in until 2026-11-29T08:00:00.000Z: storage is gone/,
    )
    assert.equal(server.records[0]?.outcome, 'broken-glass')
    state.open = undefined
    assert.equal((await server.send('/pods', text)).isAllowed, false)
  })
})

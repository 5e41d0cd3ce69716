import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { missing, runProgram } from '../../requirements.ts'
import { admissionText, registryText, workerOf } from './every-metric.ts'

suite('the text of the metrics', () => {
  test('durations are one histogram, its fixed buckets summed over the workers', async () => {
    const text = await registryText([workerOf(0, 0.2, 3), workerOf(1, 3, 70_000)])
    const series = text.split('\n').filter((line) => line.startsWith('trow_http_request_duration_seconds'))
    const valueOf = (part: string): string | undefined =>
      series
        .find((line) => line.includes(part))
        ?.split(' ')
        .at(-1)
    assert.match(text, /^# TYPE trow_http_request_duration_seconds histogram$/m)
    assert.equal(series.length, 18, 'fifteen bounds, +Inf, sum and count')
    const buckets = ['0.0005', '0.0025', '0.005', '60', '+Inf'].map((le) => valueOf(`le="${le}"`))
    assert.deepEqual(buckets, ['1', '1', '3', '3', '4'])
    assert.equal(valueOf('_count'), '4')
    assert.equal(Number(valueOf('_sum')).toFixed(4), '70.0062')
  })

  for (const [name, textOf] of [
    ['the registry', registryText] as const,
    ['an admission pod', admissionText] as const,
  ]) {
    test(`promtool finds nothing wrong with that of ${name}`, { skip: missing('promtool') }, async () => {
      assert.equal(runProgram('promtool', ['check', 'metrics'], { input: await textOf() }), '')
    })
  }
})

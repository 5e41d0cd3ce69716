import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseContentRange, parseRange } from '../../src/http/range.ts'

test('ranges lie within the content, whatever is asked', () => {
  const header = fc.oneof(
    fc.string(),
    fc.stringMatching(/^bytes=[0-9,\- ]{0,30}$/),
    fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `bytes=${a}-${b}`),
  )
  fc.assert(
    fc.property(header, fc.nat(1000), (text, size) => {
      const ranges = parseRange(text, size)
      if (ranges === undefined) return
      let total = 0
      for (const { start, end } of ranges) {
        assert.ok(start >= 0 && start <= end && end < size)
        total += end - start + 1
      }
      assert.ok(ranges.length <= 1 || total <= size)
    }),
    { numRuns: 3000 },
  )
})

const rows: readonly (readonly [
  header: string,
  size: number,
  expected: readonly (readonly [number, number])[] | undefined,
])[] = [
  ['bytes=0-9', 100, [[0, 9]]],
  ['bytes=90-200', 100, [[90, 99]]],
  ['bytes=-10', 100, [[90, 99]]],
  ['bytes=-200', 100, [[0, 99]]],
  ['bytes=5-', 100, [[5, 99]]],
  ['bytes=0-0,-1', 100, [[0, 0], [99, 99]]], // prettier-ignore
  ['bytes=100-', 100, []],
  ['bytes=9-5', 100, []],
  ['bytes=-0', 100, []],
  ['bytes=0-99,0-99', 100, undefined],
  [
    `bytes=${'0-0,'.repeat(1023)}5-5`,
    10_000,
    [...Array.from({ length: 1023 }, () => [0, 0] as const), [5, 5]],
  ],
  ['bytes=0-99999999999999999999', 100, [[0, 99]]],
  ['bytes=-99999999999999999999', 100, [[0, 99]]],
  ['bytes=99999999999999999999-', 100, []],
  ['bytes=0-1', 0, undefined],
  ['items=0-1', 100, undefined],
  ['bytes=x-1', 100, undefined],
]

for (const [header, size, expected] of rows) {
  test(`${header.slice(0, 40)} of ${size} bytes`, () => {
    assert.deepEqual(
      parseRange(header, size)?.map(({ start, end }) => [start, end]),
      expected,
    )
  })
}

test('Content-Range of a chunk', () => {
  assert.deepEqual(parseContentRange('0-9'), { start: 0, end: 9 })
  assert.deepEqual(parseContentRange('bytes 5-9/10'), { start: 5, end: 9 })
  assert.deepEqual(parseContentRange('Bytes 5-9/*'), { start: 5, end: 9 })
  assert.deepEqual(parseContentRange('0-1234567890123456'), { start: 0, end: 1234567890123456 })
  assert.deepEqual(parseContentRange('0-99999999999999999999'), { start: 0, end: Number.MAX_SAFE_INTEGER })
  for (const text of ['', '9-5', '-5', 'a-b', '1', '0-9-10', 'bytes 0-9/9', '0-9/5'])
    assert.equal(parseContentRange(text), undefined)
})

test('more than 1,024 ranges are refused, so that the client asks for fewer', () => {
  assert.throws(() => parseRange(`bytes=${'0-0,'.repeat(1024)}5-5`, 10_000), { status: 400 })
})

import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readPolicyText } from '../../src/policy-store/policy-files.ts'
import { hasComments } from '../../src/policy-store/yaml-documents.ts'
import type { TextPlace } from '../../src/policy-store/policy-source.ts'

function problemsOf(text: string): string[] {
  const at = (place: TextPlace | undefined): string => `${place?.line}:${place?.column}`
  return readPolicyText(text).problems.map(({ place, message }) => `${at(place)} ${message}`)
}

function within<Result>(limit: number, work: () => Result): Result {
  const before = process.cpuUsage()
  const result = work()
  const { user, system } = process.cpuUsage(before)
  assert.ok((user + system) / 1000 < limit, `took ${(user + system) / 1000} ms`)
  return result
}

suite('documents of a text', () => {
  test('each, but for empty ones, with the places of fields', () => {
    const { documents, problems } = readPolicyText('---\n---\na: 1\n---\nb:\n  - c: 2\n')
    assert.deepEqual(problems, [])
    assert.deepEqual(
      documents.map(({ value }) => value),
      [{ a: 1 }, { b: [{ c: 2 }] }],
    )
    assert.deepEqual(documents[1]?.placeOf(['b', 0, 'c']), { line: 6, column: 8 })
    assert.deepEqual(documents[1]?.placeOf(['b', 0, 'missing']), { line: 6, column: 5 })
  })

  test('what is no YAML has the place of its fault', () => {
    assert.match(problemsOf('a: 1\nb: [\n')[0] ?? '', /^3:1 /)
    assert.match(problemsOf('a: 1\na: 2\n')[0] ?? '', /^2:1 Map keys must be unique/)
  })

  test('__proto__ is refused where it stands, whatever it is written like', () => {
    for (const name of ['__proto__', '"__proto__"', "'__proto__'", '"\\u005f_proto__"'])
      assert.deepEqual(problemsOf(`a:\n  ${name}: { x: 1 }\n`), ['2:3 __proto__ is no name of a field'])
    assert.deepEqual(problemsOf('{ "a": { "__proto__": 1 } }'), ['1:10 __proto__ is no name of a field'])
  })

  test('bombs of aliases are refused', () => {
    const names = 'abcdefghi'.split('')
    const lines = names.map((name, place) => {
      const before = names[place - 1]
      return `${name}: &${name} [${Array.from({ length: 9 }, () => (before === undefined ? 'x' : `*${before}`)).join(', ')}]`
    })
    const [problem] = within(2000, () => problemsOf(lines.join('\n')))
    assert.match(problem ?? '', /^2:8 Excessive alias count/)
    assert.match(problemsOf('a: *b\n')[0] ?? '', /^1:4 /)
  })

  test('deep nesting is refused at the place where it is too deep, in lists, objects, keys and all styles', () => {
    const flow = within(5000, () => problemsOf(`a: ${'['.repeat(100_000)}`))
    assert.match(flow[0] ?? '', /^1:\d+ is nested more than 50 levels deep$/)
    assert.match(problemsOf(`a: ${'{a: '.repeat(1000)}`)[0] ?? '', /nested more than 50/)
    assert.match(problemsOf(`${'- '.repeat(10_000)}a`)[0] ?? '', /^1:\d+ is nested more than 50/)
    assert.match(problemsOf(`${'? '.repeat(1000)}a`)[0] ?? '', /nested more than 50/)
    const block = Array.from({ length: 200 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')
    assert.match(problemsOf(block)[0] ?? '', /^\d+:\d+ is nested more than 50/)
    assert.deepEqual(problemsOf(`a: ${'['.repeat(48)}${']'.repeat(48)}`), [])
  })

  test('an object has a thousand fields at most, and a file so many words that it is read in bounded time', () => {
    const names = (count: number): string => Array.from({ length: count }, (_, n) => `f${n}: 1\n`).join('')
    assert.deepEqual(problemsOf(names(1000)), [])
    assert.match(problemsOf(names(1100))[0] ?? '', /^1001:\d has more than 1000 fields in one object$/)
    assert.match(problemsOf(`{${names(1100).replaceAll('\n', ', ')}}`)[0] ?? '', /more than 1000 fields/)
    assert.match(within(20_000, () => problemsOf('#\n'.repeat(760_000)))[0] ?? '', /too many words/)
  })

  test('JSON is read as such, and says the same as YAML of what is wrong with it', () => {
    const { documents } = readPolicyText('{"a": [{"b": "c:d\\"{"}, 1]}')
    assert.deepEqual(documents[0]?.value, { a: [{ b: 'c:d"{' }, 1] })
    assert.deepEqual(documents[0].placeOf(['a', 0, 'b']), { line: 1, column: 14 })
    assert.match(problemsOf('{"a": 1, "a": 2}')[0] ?? '', /^1:10 Map keys must be unique/)
    assert.match(problemsOf(`{"a": ${'['.repeat(60)}${']'.repeat(60)}}`)[0] ?? '', /nested more than 50/)
    assert.match(problemsOf('{"\\u005f_proto__": 1}')[0] ?? '', /__proto__ is no name/)
    assert.match(problemsOf('{"a": 1')[0] ?? '', /^1:8 /)
  })

  test('no more than a thousand documents are taken', () => {
    const { documents, problems } = readPolicyText('---\na: 1\n'.repeat(1100))
    assert.deepEqual([documents.length, problems[0]?.message], [1000, 'has more than 1000 documents'])
    assert.deepEqual(problems[0]?.place, { line: 2001, column: 1 })
  })
})

test('comments are told from texts that look like them', () => {
  for (const text of ['# a\nkind: x', 'kind: x # a', 'a:\n  # b\n  c: d', '{ a: b } # c', '[a, # b\n c]'])
    assert.equal(hasComments(text), true, text)
  for (const text of [
    'kind: x',
    'a: "# b"',
    "a: '# b'",
    'a: b#c',
    'a: |\n  # b\n  c',
    'a: >\n  # b',
    '{"a": "#"}',
  ])
    assert.equal(hasComments(text), false, text)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compilePattern, patternCovers, patternProblem } from '../../src/oci/repository-pattern.ts'
import { isRepositoryName } from '../../src/oci/repository-name.ts'

const pattern = fc
  .array(fc.constantFrom('a', 'b', '/', '*', '**'), { maxLength: 8 })
  .map((parts) => parts.join('').replaceAll(/\*{3,}/g, '**'))
const text = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 10 }).map((parts) => parts.join(''))

test('one asterisk stays in its segment, two go anywhere', () => {
  const rows: [string, string, boolean][] = [
    ['app', 'app', true],
    ['app', 'apps', false],
    ['*', 'app', true],
    ['*', 'team/app', false],
    ['team-*/app', 'team-a/app', true],
    ['team-*/app', 'team-a/b/app', false],
    ['team-a/**', 'team-a/b/c', true],
    ['team-a/**', 'team-a', false],
    ['team-a/**', 'team-ab/c', false],
    ['**/app', 'a/b/app', true],
    ['**', 'a/b/c', true],
    ['a.b', 'axb', false],
  ]
  for (const [glob, name, expected] of rows)
    assert.equal(compilePattern(glob)(name), expected, `${glob} ${name}`)
})

test('a pattern matches what its regular expression matches', () => {
  fc.assert(
    fc.property(pattern, text, (glob, name) => {
      const source = glob.replaceAll(/\*\*|\*/g, (star) => (star === '**' ? '.*' : '[^/]*'))
      assert.equal(compilePattern(glob)(name), new RegExp(`^${source}$`).test(name))
    }),
    { numRuns: 5000 },
  )
})

test('many wildcards cost little', () => {
  const matches = compilePattern(`${'**a'.repeat(40)}b`)
  assert.equal(matches('a'.repeat(255)), false)
})

test('what a pattern is said to cover, it matches', () => {
  let covered = 0
  fc.assert(
    fc.property(pattern, pattern, text, (wide, narrow, name) => {
      if (!patternCovers(wide, narrow)) return
      covered++
      if (compilePattern(narrow)(name)) assert.ok(compilePattern(wide)(name), `${wide} ${narrow} ${name}`)
    }),
    { numRuns: 20_000 },
  )
  assert.ok(covered > 500)
  assert.ok(patternCovers('team-a/**', 'team-a/*'))
  assert.ok(patternCovers('**', '*'))
  assert.ok(!patternCovers('*', '**'))
  assert.ok(!patternCovers('*', 'a/b'))
})

test('a pattern that no name matches is told from one that some name matches', () => {
  for (const glob of ['Team/*', '/a', 'a//b', 'a/***', '', '-*', `${'*a'.repeat(9)}`])
    assert.notEqual(patternProblem(glob), undefined, glob)
  for (const glob of ['**', '*', 'team-*/app', 'a.*', 'a_*_b'])
    assert.equal(patternProblem(glob), undefined, glob)
  fc.assert(
    fc.property(pattern, text, (glob, name) => {
      if (isRepositoryName(name) && compilePattern(glob)(name)) assert.equal(patternProblem(glob), undefined)
    }),
    { numRuns: 5000 },
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parse } from 'yaml'
import { editOverride } from '../../../src/trust/docker/rancher-desktop.ts'
import { UserError } from '../../../src/user-error.ts'

const host = 'host.docker.internal:5443'
const script = '#!/bin/sh\nset -eu\necho "one: two" # three\n'

const files: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['a comment only', '# mine\n'],
  ['other keys', 'mounts:\n- location: /some/path\n  writable: true\n'],
  ['no end of its last line', 'mounts: []'],
  ['scripts of others', 'provision:\n- mode: system\n  script: |\n    echo hello\nmounts: []\n'],
  ['scripts of others, indented', 'a: 1\nprovision:\n    - mode: user\n      script: echo hello\n'],
  ['comments between', 'provision: # mine\n\n# first\n  - mode: user\n    script: echo hello'],
  ['carriage returns', 'a: 1\r\nprovision:\r\n- mode: user\r\n  script: echo hello\r\n'],
  ['an empty key', 'provision:\n'],
]

for (const [title, text] of files) {
  test(`a script is put beside ${title}, and taken away to the byte`, () => {
    const before = parse(text) as { provision?: unknown[] } | null
    const edited = editOverride('f', text, host, script)
    const after = parse(edited) as { provision: { mode: string; script: string }[] }
    assert.deepEqual(after.provision[0], { mode: 'system', script })
    assert.deepEqual(after.provision.slice(1), before?.provision ?? [])
    assert.deepEqual({ ...after, provision: undefined }, { ...before, provision: undefined })
    assert.equal(editOverride('f', edited, host, script), edited)
    assert.equal(editOverride('f', edited, host, undefined), text)
  })
}

test('two registries side by side, taken away in either order', () => {
  for (const [, text] of files) {
    const both = editOverride('f', editOverride('f', text, host, script), 'other:1', script)
    const one = editOverride('f', both, host, undefined)
    assert.equal(editOverride('f', one, 'other:1', undefined), text)
    const other = editOverride('f', both, 'other:1', undefined)
    assert.equal(editOverride('f', other, host, undefined), text)
  }
})

test('a file that is written otherwise is refused, with what is to be added', () => {
  for (const text of ['provision: []\n', 'provision: {a: 1}\n', '- a\n', '{a: 1}\n', 'a: [\n']) {
    assert.throws(
      () => editOverride('f', text, host, script),
      (error) => error instanceof UserError && error.hint?.includes('- mode: system') === true,
      text,
    )
  }
})

test('whatever is in the file, it is either refused or can be taken back to the byte', () => {
  const line = fc.constantFrom(
    'provision:',
    '- mode: user',
    '  script: a',
    '# b',
    '',
    'c: 1',
    '  - d',
    '---',
    'e: |',
    '   f',
  )
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 8 }),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      (lines, end, last) => {
        const text = lines.join(end) + (last ? end : '')
        let edited: string
        try {
          edited = editOverride('f', text, host, script)
        } catch (error) {
          assert.ok(error instanceof UserError)
          return
        }
        assert.equal(editOverride('f', edited, host, undefined), text)
      },
    ),
    { numRuns: 500 },
  )
})

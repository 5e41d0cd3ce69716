import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { reasons } from '../../src/policy/reasons.ts'
import { digest, problemsOf } from './fixtures.ts'

const text = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8')

suite('docs/policy.md', () => {
  test('lists exactly the reasons that there are, in the words of the table', () => {
    const [, answer = ''] = text.split('## The answer')
    const rows = [...answer.matchAll(/^\| `([A-Z_0-9]+)` +\| (.*?) +\|$/gm)].map(([, code, words]) => [
      code,
      words,
    ])
    assert.deepEqual(Object.fromEntries(rows), reasons)
  })

  test('shows documents that load', () => {
    const blocks = [...text.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, block = '']) => block)
    assert.equal(blocks.length, 2)
    for (const block of blocks)
      for (const document of parseAllDocuments(block.replaceAll('sha256:…', digest('a')))) {
        const value = document.toJS() as { spec: { expires?: string } }
        if (value.spec.expires !== undefined) assert.equal(value.spec.expires, '2026-12-10T00:00:00Z')
        assert.deepEqual(problemsOf(value), [])
      }
  })
})

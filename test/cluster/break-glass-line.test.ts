import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { breakGlassLine } from '../../src/cluster/break-glass-line.ts'

test('the line that opens break-glass is the one of docs/policy.md', () => {
  const text = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8')
  const plain = (one: string): string => one.replaceAll(/[\\\s]+/g, ' ')
  assert.ok(plain(text).includes(plain(breakGlassLine('trow', '2026-12-10T12:00:00Z'))))
})

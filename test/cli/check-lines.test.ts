import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import type { CheckCategory } from '../../src/cluster/check.ts'
import { checkLines } from '../../src/cli/check-lines.ts'
import { lookOf } from '../../src/cli/table.ts'

const categories: readonly CheckCategory[] = [
  {
    categoryName: 'nodes',
    checks: [
      {
        description: 'node ip-10-0-17-231.compute.internal pulls as it is meant to',
        result: 'error',
        error: '127.0.0.1:29443 of the node cannot be listened on: EADDRINUSE',
        hint: 'On the node: ss -ltnp | grep 29443 says which program has that port',
      },
    ],
  },
]

test('checks are broken at the width of the terminal, but for commands that are to be copied', () => {
  const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 40 })
  assert.deepEqual(checkLines(categories, lookOf(terminal, { TERM: 'dumb' })).split('\n'), [
    'nodes',
    '× node ip-10-0-17-231.compute.internal',
    '  pulls as it is meant to',
    '    127.0.0.1:29443 of the node cannot',
    '    be listened on: EADDRINUSE',
    '    On the node: ss -ltnp | grep 29443 says which program has that port',
    '',
  ])
})

test('checks are one line each in a pipe', () => {
  assert.deepEqual(checkLines(categories, lookOf(new PassThrough(), {})).split('\n'), [
    'nodes',
    '× node ip-10-0-17-231.compute.internal pulls as it is meant to',
    '    127.0.0.1:29443 of the node cannot be listened on: EADDRINUSE',
    '    On the node: ss -ltnp | grep 29443 says which program has that port',
    '',
  ])
})

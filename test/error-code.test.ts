import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { errorCode } from '../src/error-code.ts'

test('the code of what was thrown is that of a system call, else none', async () => {
  await assert.rejects(readFile('/dev/null/nothing'), (error) => errorCode(error) === 'ENOTDIR')
  assert.equal(errorCode(Object.assign(new Error('gone'), { code: 'ECONNRESET' })), 'ECONNRESET')
  for (const thrown of [
    new Error('gone'),
    AbortSignal.abort().reason,
    { code: 1 },
    'ENOENT',
    null,
    undefined,
  ])
    assert.equal(errorCode(thrown), undefined)
})

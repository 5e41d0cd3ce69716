import assert from 'node:assert/strict'
import { test } from 'node:test'
import { together } from '../../../src/metadata/rules/change.ts'

test('what runs together is over when one of it has failed', async () => {
  const ran: string[] = []
  const slow = async (): Promise<void> => {
    await new Promise(setImmediate)
    ran.push('slow')
  }
  const failing = together([Promise.reject(new Error('failed')), slow()])
  await assert.rejects(Promise.resolve(failing), /failed/)
  assert.deepEqual(ran, ['slow'])
  assert.deepEqual(await together([1, Promise.resolve('two')]), [1, 'two'])
  // The engine that answers at once is not made to wait.
  assert.deepEqual(together([1, 'two']), [1, 'two'])
})

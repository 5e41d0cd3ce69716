import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Confirmations } from '../../../src/serve/threads/confirmations.ts'

suite('confirmations of parts', () => {
  test('are waited for no longer than the limit, and not at all while an earlier one is owed', async () => {
    const confirmations = new Confirmations(100)
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    await confirmations.of('quick', () => Promise.resolve())
    assert.deepEqual(confirmations.missing, [])
    const begun = performance.now()
    await confirmations.of('slow', () => first.promise)
    assert.ok(performance.now() - begun > 90)
    assert.deepEqual(confirmations.missing, ['slow'])
    const again = performance.now()
    await confirmations.of('slow', () => second.promise)
    assert.ok(performance.now() - again < 90)
    first.resolve()
    await new Promise(setImmediate)
    assert.deepEqual(confirmations.missing, ['slow'], 'it owes the second one')
    second.resolve()
    await new Promise(setImmediate)
    assert.deepEqual(confirmations.missing, [])
  })

  test('that fail are never confirmed until they are sent again, or the part is gone', async () => {
    const confirmations = new Confirmations(20)
    const fails = (): Promise<void> => Promise.reject(new Error('no'))
    await assert.rejects(confirmations.of('a', fails), /^Error: no$/)
    assert.deepEqual(confirmations.missing, ['a'])
    // It is not busy: it is waited for again, and fails again.
    await assert.rejects(confirmations.of('a', fails), /^Error: no$/)
    await confirmations.of('a', () => Promise.resolve())
    assert.deepEqual(confirmations.missing, [])
    const late = Promise.withResolvers<void>()
    await confirmations.of('a', () => late.promise)
    late.reject(new Error('no'))
    await new Promise(setImmediate)
    assert.deepEqual(confirmations.missing, ['a'])
    confirmations.forget('a')
    assert.deepEqual(confirmations.missing, [])
  })
})

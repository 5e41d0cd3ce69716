import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { inTime } from '../src/in-time.ts'

suite('work that a signal may end the wait for', () => {
  const never = new Promise<string>(() => undefined)
  const signal = new AbortController().signal

  test('ends as the work does before the signal', async () => {
    assert.equal(await inTime(Promise.resolve('done'), signal, () => 'late'), 'done')
    await assert.rejects(
      inTime(Promise.reject<string>(new Error('broken')), signal, () => 'late'),
      /broken/,
    )
  })

  test('ends as late says with the signal, also with one that has fired before', async () => {
    const abort = new AbortController()
    const waiting = inTime(never, abort.signal, () => 'late')
    abort.abort()
    assert.equal(await waiting, 'late')
    const refuse = (): string => {
      throw new Error('too late')
    }
    await assert.rejects(inTime(never, abort.signal, refuse), /too late/)
  })

  test('leaves no rejection behind that nobody hears', async () => {
    const work = Promise.withResolvers<string>()
    const waiting = inTime(work.promise, AbortSignal.abort(), () => 'late')
    assert.equal(await waiting, 'late')
    work.reject(new Error('afterwards'))
    await new Promise((resolve) => setImmediate(resolve))
  })
})

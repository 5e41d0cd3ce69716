import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as round } from 'node:timers/promises'
import { BodyTurns } from '../../src/registry/body-turns.ts'

const kibibyte = 1024

test('one body does not wait, and the next one after a turn neither', async () => {
  const turns = new BodyTurns()
  for (let count = 0; count < 3; count++) {
    assert.equal(turns.take(4096 * kibibyte), undefined)
    await round()
  }
})

test('small bodies share a turn, however small; those that find it full go first in the next', async () => {
  const turns = new BodyTurns()
  const done: number[] = []
  const perTurn: number[] = []
  const all = Array.from({ length: 80 }, async (_, each) => {
    await turns.take(10)
    done.push(each)
  })
  while (done.length < 80) {
    const before = done.length
    await round()
    perTurn.push(done.length - before)
  }
  await Promise.all(all)
  assert.deepEqual(
    done,
    done.toSorted((a, b) => a - b),
  )
  assert.ok(Math.max(...perTurn) <= 32 * 2, perTurn.join(' '))
})

test('the steps of large bodies alternate', async () => {
  const turns = new BodyTurns()
  const steps: string[] = []
  const body = async (name: string): Promise<void> => {
    for (let step = 0; step < 3; step++) {
      await turns.take()
      steps.push(name)
    }
  }
  await Promise.all([body('a'), body('b')])
  assert.equal(steps.join(''), 'ababab')
})

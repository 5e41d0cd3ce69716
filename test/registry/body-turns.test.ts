import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BodyTurns } from '../../src/registry/body-turns.ts'

const KiB = 1024

suite('bodies that come at once take turns', () => {
  test('small ones go at once, up to what a turn has; the rest a round later, in order', async () => {
    const turns = new BodyTurns()
    const went: number[] = []
    const waited: number[] = []
    for (let each = 0; each < 70; each++) {
      const turn = turns.take(1 * KiB)
      if (turn === undefined) went.push(each)
      else void turn.then(() => waited.push(each))
    }
    // Each body counts as 8 KiB at least, and a turn has 256 KiB.
    assert.equal(went.length, 32)
    await nextTurn()
    await nextTurn()
    assert.deepEqual(
      waited.slice(0, 32),
      Array.from({ length: 32 }, (_, index) => 32 + index),
    )
    for (let rounds = 0; rounds < 5; rounds++) await nextTurn()
    assert.equal(waited.length, 38)
  })

  test('a large one goes after a few small ones though nothing else comes', { timeout: 5000 }, async () => {
    const turns = new BodyTurns()
    for (let each = 0; each < 3; each++) assert.equal(turns.take(8 * KiB), undefined)
    await turns.take(256 * KiB)
    const both = [turns.take(8 * KiB), turns.take(256 * KiB), turns.take(256 * KiB)]
    for (const turn of both) await turn
  })
})

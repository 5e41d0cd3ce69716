import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { leastPiece, PartBudget, type PartLoan, pieceOf } from '../../../src/blobs/s3/part-budget.ts'

const part = 8 * 2 ** 20

function lent(loan: PartLoan | Promise<PartLoan>): PartLoan {
  if (loan instanceof Promise) assert.fail('it was not lent at once')
  return loan
}

suite('the budget of part buffers', () => {
  /** Clocks that stand still until they are told. */
  function clocks(t: TestContext): { pass(seconds: number): void } {
    let now = 0
    t.mock.method(performance, 'now', () => now)
    t.mock.timers.enable({ apis: ['setInterval'] })
    return {
      pass(seconds) {
        for (let tenths = 0; tenths < seconds * 10; tenths++) {
          now += 100
          t.mock.timers.tick(100)
        }
      },
    }
  }

  test('no more is lent than there is; who waits is served in order', async () => {
    const budget = new PartBudget(4 * part)
    const order: number[] = []
    const first = lent(budget.take(part))
    const second = lent(budget.take(part))
    for (let taken = 2; taken < 4; taken++) lent(budget.take(part))
    const others = Array.from({ length: 200 }, async (_, index) => {
      const loan = await budget.take(index === 0 ? 2 * part : part)
      order.push(index)
      return loan
    })
    budget.give(first)
    await new Promise(setImmediate)
    assert.deepEqual(order, [], 'a small one does not overtake a large one')
    budget.give(second)
    for (const other of others) budget.give(await other)
    assert.deepEqual(
      order,
      others.map((_, index) => index),
    )
  })

  test('the slowest are asked for their buffers, while others wait and no more of them than are needed', (t) => {
    const clock = clocks(t)
    const budget = new PartBudget(4 * part)
    const recalled: (readonly [string, number])[] = []
    const take = (name: string, bytes: number): PartLoan => {
      const loan = lent(budget.take(part, (pace) => recalled.push([name, pace])))
      loan.append(Buffer.alloc(bytes))
      return loan
    }
    take('slow', 400_000)
    const slowest = take('slowest', 4000)
    take('quick', 8_000_000)
    lent(budget.take(part)).append(Buffer.alloc(1))
    clock.pass(4)
    assert.equal(recalled.length, 0, 'nobody waits')
    void budget.take(part)
    clock.pass(1)
    assert.deepEqual(recalled, [['slowest', 4000 / 4.3]])
    budget.give(slowest)
    clock.pass(1)
    assert.equal(recalled.length, 1, 'nobody waits any more')
    for (let more = 0; more < 4; more++) void budget.take(part)
    clock.pass(3)
    const names = (): string[] => recalled.map(([name]) => name)
    assert.deepEqual(names(), ['slowest', 'slow'])
    clock.pass(2)
    assert.deepEqual(names(), ['slowest', 'slow', 'quick'], 'who had ten seconds is not quick')
  })

  test('the least pieces of slow clients are left to them for longer', (t) => {
    const clock = clocks(t)
    const budget = new PartBudget(leastPiece)
    let recalls = 0
    lent(budget.take(leastPiece, () => recalls++)).append(Buffer.alloc(1))
    void budget.take(part)
    clock.pass(20)
    assert.equal(recalls, 0)
    clock.pass(20)
    assert.equal(recalls, 1)
  })

  test('the end of an object is written into a buffer that held a whole part', () => {
    const budget = new PartBudget(2 * part)
    const loan = lent(budget.take(part))
    budget.give(loan)
    assert.equal(lent(budget.take(part - 3_000_000)).buffer, loan.buffer)
  })

  test('a piece is what its client sends in ten seconds', () => {
    assert.equal(pieceOf(1000, part), leastPiece)
    assert.equal(pieceOf(40_000, part), 4 * leastPiece)
    assert.equal(pieceOf(900_000, part), undefined)
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BodyBudget, type BudgetManners } from '../../src/http/body-budget.ts'
import { ReplyBodies, type ReplyMaker } from '../../src/http/reply-bodies.ts'
import { isStreamBody, type Reply, type StreamBody } from '../../src/http/reply.ts'

const kibibyte = 1024
const manners: BudgetManners = { what: 'large replies', counts: 'announced', patience: 0 }
const size = { bytes: 400 * kibibyte, reserve: 0, share: 200 * kibibyte, threads: 1, slots: 16, seed: 7 }

function opened(): { budget: BodyBudget; bodies: ReplyBodies } {
  const budget = BodyBudget.attach(BodyBudget.create(size, manners).buffer, 0, manners)
  return { budget, bodies: new ReplyBodies(budget) }
}

function large(digest?: string, fill = 1): Reply {
  const body = new Uint8Array(200 * kibibyte).fill(fill)
  return { status: 200, headers: [], body, ...(digest === undefined ? {} : { digest }) }
}

function maker(owner: number, made: () => Reply = large): ReplyMaker & { count: number; cuts: number } {
  return {
    owner,
    count: 0,
    cuts: 0,
    again() {
      this.count++
      return made()
    },
    cut() {
      this.cuts++
    },
  }
}

function bodyOf(reply: Reply | Promise<Reply>): StreamBody {
  assert.ok(!(reply instanceof Promise), 'it waits')
  assert.ok(reply.body !== undefined && isStreamBody(reply.body))
  return reply.body
}

test('what is small is not counted; a list that goes out page by page is, by what it holds', () => {
  assert.equal(ReplyBodies.isLarge({ status: 200, headers: [], body: Buffer.alloc(64 * kibibyte) }), false)
  assert.equal(ReplyBodies.isLarge({ status: 200, headers: [], body: 'x'.repeat(65 * kibibyte) }), true)
  const list = { length: undefined, stream: async function* () {}, close() {} }
  assert.equal(ReplyBodies.isLarge({ status: 200, headers: [], body: list }), false)
  assert.equal(ReplyBodies.isLarge({ status: 200, headers: [], body: { ...list, holds: 1e6 } }), true)
})

test('replies with the same content hold it once, until the last is sent', async () => {
  const { budget, bodies } = opened()
  const first = bodyOf(bodies.hold(large('a', 7), maker(1)))
  const second = bodyOf(bodies.hold(large('a', 8), maker(2)))
  assert.equal(budget.held, 200 * kibibyte)
  first.close()
  let sum = 0
  for await (const chunk of second.stream()) {
    assert.equal(chunk[0], 7)
    assert.ok(chunk.byteLength <= 64 * kibibyte)
    sum += chunk.byteLength
  }
  assert.equal(sum, 200 * kibibyte)
  second.close()
  assert.equal(budget.held, 0)
})

/** Uses up the whole budget, the reserve included. */
async function filled(bodies: ReplyBodies): Promise<StreamBody[]> {
  const sent: StreamBody[] = []
  for (const owner of [1, 2, 3]) sent.push(bodyOf(await bodies.hold(large(), maker(owner))))
  return sent
}

test('a reply without room is dropped, and made again when there is some', async () => {
  const { budget, bodies } = opened()
  const sent = await filled(bodies)
  const waits = maker(4)
  const reply = large()
  const later = bodies.hold(reply, waits)
  assert.ok(later instanceof Promise)
  assert.equal(reply.body, undefined)
  await sleep(50)
  assert.equal(waits.count, 0)
  for (const each of sent) each.close()
  const made = bodyOf(await later)
  assert.equal(waits.count, 1)
  made.close()
  assert.equal(budget.held, 0)
})

test('a reply without room is sent from the memory of one with the same content', async () => {
  const { bodies } = opened()
  const sent = await filled(bodies)
  const makers = [maker(4, () => large('b')), maker(5, () => large('b'))]
  const all = makers.map(async (each) => bodyOf(await bodies.hold(large('b'), each)))
  sent.at(-1)?.close()
  assert.equal((await Promise.all(all)).length, 2)
  assert.equal(
    makers.reduce((sum, { count }) => sum + count, 0),
    1,
  )
})

test('while others wait, those who take nothing are ended, and nobody else', async () => {
  const { bodies } = opened()
  const all = [1, 2, 3].map((owner) => maker(owner))
  const sent: StreamBody[] = []
  for (const each of all) {
    const body = bodyOf(await bodies.hold(large(), each))
    sent.push(body)
    each.cut = () => {
      each.cuts++
      body.close()
    }
  }
  await sent[2]?.stream()[Symbol.asyncIterator]().next()
  bodyOf(await bodies.hold(large(), maker(4)))
  assert.deepEqual(
    all.map(({ cuts }) => cuts),
    [0, 0, 1],
  )
})

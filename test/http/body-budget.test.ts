import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BodyBudget, type BudgetManners, type OpenBody } from '../../src/http/body-budget.ts'
import type { Principal } from '../../src/access/principal.ts'

const size = { bytes: 800, reserve: 200, share: 100, threads: 2, slots: 16, seed: 7 }
const announced: BudgetManners = { what: 'pushes', counts: 'announced', patience: 0 }
const received: BudgetManners = { what: 'pushes', counts: 'received', patience: 0 }

/** The budget as two threads see it. */
function threads(manners: BudgetManners, over: Partial<typeof size> = {}): [BodyBudget, BodyBudget] {
  const { buffer } = BodyBudget.create({ ...size, ...over }, manners)
  return [BodyBudget.attach(buffer, 0, manners), BodyBudget.attach(buffer, 1, manners)]
}

function user(name: string): Principal {
  return { kind: 'password', name, groups: [], reviewable: false }
}

function owners(budget: BodyBudget, count: number): number[] {
  return Array.from({ length: count }, (_, index) => budget.ownerOf(user(`user-${index}`), '10.0.0.1'))
}

function now(begun: OpenBody | Promise<OpenBody>): OpenBody {
  assert.ok(!(begun instanceof Promise), 'it waits')
  return begun
}

/** Resolves when the body must end; releases it then, as its request does. */
function releaseBody(body: OpenBody): Promise<void> {
  return new Promise((resolve) => {
    body.onEnd = () => {
      body.release()
      resolve()
    }
  })
}

test('who is known has a share of their own, who is not has that of their network', () => {
  const [budget] = threads(announced)
  const [ada, bob] = owners(budget, 2)
  assert.notEqual(ada, bob)
  assert.equal(budget.ownerOf(user('user-0'), '10.0.0.9'), ada)
  assert.equal(budget.ownerOf(undefined, '2001:db8::1'), budget.ownerOf(undefined, '2001:db8::2'))
  assert.notEqual(budget.ownerOf(undefined, '10.0.0.1'), budget.ownerOf(undefined, '10.0.0.2'))
})

test('an owner has a share, counted across threads, and waits for their own bodies alone', async () => {
  const [one, two] = threads(announced)
  const [ada = 0, bob = 0] = owners(one, 2)
  const first = now(one.begin(ada, 60))
  const waiting = two.begin(ada, 60)
  assert.ok(waiting instanceof Promise)
  now(two.begin(bob, 60)).release()
  first.release()
  const second = await waiting
  second.release()
  const whole = now(one.begin(ada, 700))
  assert.ok(
    two.begin(ada, 1) instanceof Promise,
    'a single body may be larger than the share, and then is alone',
  )
  whole.release()
})

test('what was announced and has not come takes nothing from others', () => {
  const [one, two] = threads(announced)
  const hoards = owners(one, 40).slice(0, 16)
  for (const owner of hoards) assert.equal(now(one.begin(owner, 100)).take(1), undefined)
  const body = now(two.begin(two.ownerOf(user('ada'), ''), 100))
  assert.equal(body.take(100), undefined)
  body.release()
})

test('half-read bodies that have used up all there is all finish: the oldest gets the reserve', async () => {
  const [one, two] = threads(announced, { share: 200 })
  const bodies = owners(one, 6).map((owner, index) => now((index % 2 === 0 ? one : two).begin(owner, 200)))
  for (const body of bodies) assert.equal(body.take(100), undefined)
  const finished: number[] = []
  const rest = bodies.map(async (body, index) => {
    await body.take(100)
    finished.push(index)
    assert.ok(one.held <= size.bytes, `${one.held} bytes are held`)
    body.release()
  })
  await Promise.all(rest)
  assert.equal(finished[0], 0, 'the oldest is the first')
  assert.equal(finished.length, bodies.length)
  assert.equal(one.held, 0)
})

test('where there is no room the body that would take longest is ended, in whatever thread it is', async () => {
  const [one, two] = threads(announced, { share: 400 })
  const [slow = 0, quick = 0, late = 0] = owners(one, 3)
  const slowest = now(one.begin(slow, 400))
  const quicker = now(one.begin(quick, 400))
  for (const [body, bytes] of [
    [slowest, 290],
    [quicker, 310],
  ] as const) {
    body.awaitClient()
    body.heard(bytes)
    assert.equal(body.take(bytes), undefined)
    body.awaitClient()
  }
  // The holder of the reserve needs no free room.
  const holder = now(two.begin(late, 100))
  await holder.take(100)
  await new Promise((resolve) => setTimeout(resolve, 20))
  const ended = releaseBody(slowest)
  let spared = true
  quicker.onEnd = () => (spared = false)
  const next = now(two.begin(two.ownerOf(user('ada'), ''), 50))
  await Promise.all([next.take(50), ended])
  assert.ok(spared)
})

test('a stranger that finds no room ends the slowest of its address and never waits for the others', async () => {
  const [one, two] = threads(received)
  const owner = one.ownerOf(undefined, '10.0.0.1')
  const trickling = Array.from({ length: 10 }, () => now(one.begin(owner, 1000)))
  for (const body of trickling) {
    assert.equal(body.take(10), undefined)
    body.awaitClient()
  }
  const ended = Promise.race(trickling.map(releaseBody))
  const honest = now(two.begin(owner, 10))
  await Promise.all([honest.take(10), ended])
  honest.release()
  const busy = now(two.begin(owner, 100))
  for (const body of trickling) body.release()
  assert.equal(busy.take(95), undefined)
  await assert.rejects(now(one.begin(owner, 50)).take(50) ?? Promise.resolve(), { code: 'TOOMANYREQUESTS' })
})

test('a thread that died gives back what it held', async () => {
  const [one, two] = threads(announced)
  const [ada = 0] = owners(one, 1)
  const lost = now(one.begin(ada, 100))
  assert.equal(lost.take(100), undefined)
  assert.equal(two.held, 100)
  two.reclaim(0)
  assert.equal(two.held, 0)
  now(two.begin(ada, 100)).release()
})

test('with more bodies than there are places, the slowest gives up its place', async () => {
  const [one] = threads(received, { slots: 4 })
  const bodies = Array.from({ length: 4 }, () => now(one.begin(one.ownerOf(undefined, '10.0.0.1'), 100)))
  for (const body of bodies) body.awaitClient()
  const ended = Promise.race(bodies.map(releaseBody))
  const [body] = await Promise.all([one.begin(one.ownerOf(undefined, '10.0.0.2'), 10), ended])
  body.release()
})

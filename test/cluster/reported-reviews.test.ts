import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ReportedReviews } from '../../src/cluster/reported-reviews.ts'
import { ClusterUnavailable } from '../../src/cluster/reviews.ts'

suite('what is said of reviews without an answer', () => {
  function open() {
    const state = { now: 0, fault: undefined as Error | undefined, said: [] as string[] }
    const say = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) =>
      void state.said.push(`${level} ${message} ${JSON.stringify(fields)}`)
    const answer = async <T>(value: T): Promise<T> => {
      if (state.fault !== undefined) throw state.fault
      return value
    }
    const reviews = new ReportedReviews({
      reviews: {
        reviewToken: () => answer({ authenticated: false, reason: 'x' } as const),
        reviewAccess: () => answer({ allowed: true, reason: '' }),
      },
      presence: { nodeUid: () => answer(undefined), accountUid: () => answer(undefined) },
      log: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
      now: () => state.now,
    })
    const ask = async (): Promise<string[]> => {
      await reviews.reviewToken('canary', ['trow']).catch(() => undefined)
      return state.said.splice(0)
    }
    return { state, reviews, ask }
  }

  test('why, once, again after five minutes, and that it is over', async () => {
    const { state, ask } = open()
    assert.deepEqual(await ask(), [])
    state.fault = new ClusterUnavailable('bind system:auth-delegator')
    const [first = '', ...others] = await ask()
    assert.match(first, /^warn .*TokenReview.*bind system:auth-delegator/)
    assert.deepEqual(others, [])
    state.now = 299_000
    assert.deepEqual(await ask(), [])
    state.now = 300_000
    assert.match((await ask())[0] ?? '', /"seconds":300/)
    state.fault = new ClusterUnavailable('connection refused')
    assert.deepEqual(await ask(), [], 'not at once')
    state.now = 310_000
    assert.match((await ask())[0] ?? '', /connection refused/)
    state.fault = undefined
    assert.deepEqual(await ask(), [], 'it may come and go')
    state.now = 320_000
    assert.match((await ask())[0] ?? '', /^info .*again.*"seconds":310/)
    assert.deepEqual(await ask(), [])
  })

  test('each kind for itself, the fault itself goes on, and a bug is not called an outage', async () => {
    const { state, reviews } = open()
    state.fault = new ClusterUnavailable('gone')
    const review = { user: { name: 'a', groups: [] }, verb: 'get', namespace: 'b', name: 'c' } as const
    await assert.rejects(reviews.reviewToken('t', undefined), state.fault)
    await assert.rejects(reviews.reviewAccess(review), state.fault)
    assert.equal(state.said.length, 2)
    state.said.length = 0
    state.fault = new TypeError('bug')
    await assert.rejects(reviews.reviewAccess(review), TypeError)
    assert.deepEqual(state.said, [])
  })
})

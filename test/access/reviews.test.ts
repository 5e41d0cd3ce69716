import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { anonymous, type Principal } from '../../src/access/principal.ts'
import { Reviews } from '../../src/access/reviews.ts'
import { ClusterUnavailable, type AccessReview } from '../../src/cluster/reviews.ts'
import { parseRepositoryName as name } from '../../src/oci/repository-name.ts'

const builder: Principal = {
  kind: 'kubernetes',
  name: 'system:serviceaccount:team-a:builder',
  uid: 'u1',
  groups: ['system:serviceaccounts'],
  extra: { 'authentication.kubernetes.io/pod-name': ['p'] },
  reviewable: true,
}

suite('reviews of access', () => {
  function open(allow: (review: AccessReview) => boolean = () => true) {
    const state = {
      now: 1_000_000,
      away: false,
      wait: undefined as Promise<void> | undefined,
      allow,
      asked: [] as AccessReview[],
    }
    const reviews = new Reviews({
      cluster: {
        reviewToken: () => Promise.reject(new Error('not asked here')),
        async reviewAccess(review) {
          state.asked.push(review)
          await (state.wait ?? new Promise((resolve) => setImmediate(resolve)))
          if (state.away) throw new ClusterUnavailable('gone')
          return { allowed: state.allow(review), reason: 'RoleBinding "x"' }
        },
      },
      now: () => state.now,
    })
    const shown = (): string[] =>
      state.asked
        .splice(0)
        .map(({ verb, namespace, name: each }) => `${verb} ${namespace ?? '-'} ${each ?? '-'}`)
    return { state, reviews, shown }
  }

  test('actions and names become verbs, namespaces and names', async () => {
    const { reviews, shown } = open()
    await reviews.review(builder, 'pull', name('team-a/web/api'))
    await reviews.review(builder, 'push', name('team-a/web'))
    await reviews.review(builder, 'delete', name('app'))
    await reviews.review(builder, 'list', name('team-a/web'))
    await reviews.reviewNamespace(builder, 'team-a')
    await reviews.reviewNamespace(builder, undefined)
    assert.deepEqual(shown(), [
      'get team-a web/api',
      'create team-a web',
      'update team-a web',
      'delete - app',
      'list team-a web',
      'list team-a -',
      'list - -',
    ])
  })

  test('the caller is handed on whole', async () => {
    const { reviews, state } = open()
    await reviews.review(builder, 'pull', name('a/b'))
    const { kind: _, reviewable: __, ...user } = builder
    assert.deepEqual(state.asked[0]?.user, user)
    await reviews.review(anonymous, 'pull', name('a/b'))
    assert.deepEqual(state.asked[1]?.user, { name: 'system:anonymous', groups: ['system:unauthenticated'] })
  })

  test('a push needs both of its verbs', async () => {
    const { reviews, state } = open(({ verb }) => verb === 'create')
    const half = await reviews.review(builder, 'push', name('a/b'))
    assert.ok(half.kind === 'answered' && !half.allowed)
    assert.match(half.reason, /does not allow update on .* "b" in namespace a/)
    state.now += 5000
    state.allow = () => true
    const both = await reviews.review(builder, 'push', name('a/b'))
    assert.ok(both.kind === 'answered' && both.allowed)
    // The answer for `create` is 5 s old.
    assert.equal(both.until, state.now + 25_000)
  })

  test('names that no cluster vouches for are never sent', async () => {
    const { reviews, state } = open()
    const answer = await reviews.review(
      { ...builder, kind: 'password', reviewable: false },
      'pull',
      name('a/b'),
    )
    assert.ok(answer.kind === 'answered' && !answer.allowed)
    assert.equal(state.asked.length, 0)
  })

  test('one review for each caller, verb and repository in the life of its answer', async () => {
    const { reviews, state } = open()
    const ask = (who = builder): Promise<unknown> => reviews.review(who, 'pull', name('a/b'))
    await Promise.all(Array.from({ length: 100 }, () => ask({ ...builder })))
    assert.equal(state.asked.length, 1)
    state.now += 29_999
    await ask()
    assert.equal(state.asked.length, 1)
    state.now += 1
    await Promise.all([ask(), ask()])
    assert.equal(state.asked.length, 2)
    await ask({ ...builder, groups: [] })
    assert.equal(state.asked.length, 3)
  })

  test('a denial is kept 5 s, so a new binding counts soon', async () => {
    const { reviews, state } = open(() => false)
    const first = await reviews.review(builder, 'pull', name('a/b'))
    assert.ok(first.kind === 'answered' && !first.allowed)
    assert.equal(first.until, state.now + 5000)
    state.allow = () => true
    state.now += 5000
    const second = await reviews.review(builder, 'pull', name('a/b'))
    assert.ok(second.kind === 'answered' && second.allowed)
  })

  test('without the API server a get goes on for ten minutes from its last allow, and nothing else', async () => {
    const { reviews, state } = open()
    for (const action of ['pull', 'push', 'list'] as const) await reviews.review(builder, action, name('a/b'))
    state.now += 30_000
    await reviews.review(builder, 'pull', name('a/b'))
    const confirmed = state.now
    state.away = true
    state.now += 31_000
    const pull = await reviews.review(builder, 'pull', name('a/b'))
    assert.ok(pull.kind === 'answered' && pull.allowed && pull.stale === true)
    assert.match(pull.reason, /as of 31 s ago/)
    assert.equal(pull.until, state.now + 5000)
    for (const action of ['push', 'list', 'delete'] as const)
      assert.equal((await reviews.review(builder, action, name('a/b'))).kind, 'unavailable')
    assert.equal((await reviews.review(builder, 'pull', name('a/other'))).kind, 'unavailable')
    while (state.now < confirmed + 600_000) {
      const answer = await reviews.review(builder, 'pull', name('a/b'))
      assert.ok(answer.kind === 'answered' && answer.allowed && answer.until <= confirmed + 600_000)
      state.now = answer.until
    }
    assert.equal((await reviews.review(builder, 'pull', name('a/b'))).kind, 'unavailable')
    state.away = false
    state.now += 1000
    const back = await reviews.review(builder, 'pull', name('a/b'))
    assert.ok(back.kind === 'answered' && back.stale === undefined)
  })

  test('an allow that was taken back does not come to life when the API server goes', async () => {
    const { reviews, state } = open()
    await reviews.review(builder, 'pull', name('a/b'))
    state.now += 30_000
    state.allow = () => false
    await reviews.review(builder, 'pull', name('a/b'))
    state.now += 5000
    state.away = true
    assert.equal((await reviews.review(builder, 'pull', name('a/b'))).kind, 'unavailable')
  })

  test('an allow that nobody has asked for in ten minutes is not used when the API server goes', async () => {
    const { reviews, state } = open()
    await reviews.review(builder, 'pull', name('a/b'))
    state.away = true
    state.now += 600_000
    assert.equal((await reviews.review(builder, 'pull', name('a/b'))).kind, 'unavailable')
  })

  test(
    'while the API server keeps its callers waiting, only the first pull does, and then it counts what it says',
    { timeout: 10_000 },
    async () => {
      const { reviews, state } = open()
      await reviews.review(builder, 'pull', name('a/b'))
      state.away = true
      state.now += 31_000
      await reviews.review(builder, 'pull', name('a/b'))
      state.now += 6000
      let release = (): void => {}
      state.wait = new Promise<void>((resolve) => (release = resolve))
      for (let n = 0; n < 5; n++) {
        const pull = await reviews.review(builder, 'pull', name('a/b'))
        assert.ok(pull.kind === 'answered' && pull.allowed && pull.stale === true)
        assert.equal(pull.until, state.now + 1000)
      }
      assert.equal(state.asked.length, 3, 'and it is asked meanwhile')
      state.away = false
      state.allow = () => false
      release()
      await new Promise((resolve) => setTimeout(resolve, 5))
      const told = await reviews.review(builder, 'pull', name('a/b'))
      assert.ok(told.kind === 'answered' && !told.allowed)
    },
  )

  test('a pull waits a second at most for an API server that is frozen; then its late answer counts', async () => {
    const { reviews, state } = open()
    await reviews.review(builder, 'pull', name('a/b'))
    await reviews.review(builder, 'push', name('a/b'))
    state.now += 31_000
    let release = (): void => {}
    state.wait = new Promise<void>((resolve) => (release = resolve))
    const push = reviews.review(builder, 'push', name('a/b'))
    const asked = performance.now()
    const pull = await reviews.review(builder, 'pull', name('a/b'))
    assert.ok(performance.now() - asked < 2900, 'a question to the API server ends after 3 s')
    assert.ok(pull.kind === 'answered' && pull.allowed && pull.stale === true)
    assert.equal(
      await Promise.race([push, Promise.resolve('waits')]),
      'waits',
      'only an allowed get has a last answer',
    )
    state.allow = () => false
    release()
    const told = await push
    assert.ok(told.kind === 'answered' && !told.allowed)
    const next = await reviews.review(builder, 'pull', name('a/b'))
    assert.ok(next.kind === 'answered' && !next.allowed)
  })

  test('long after the last silence an old allow is not used before the API server is asked', async () => {
    const { reviews, state } = open()
    await reviews.review(builder, 'pull', name('a/b'))
    state.away = true
    state.now += 31_000
    await reviews.review(builder, 'pull', name('a/b'))
    state.away = false
    state.allow = () => false
    state.now += 36_000
    const told = await reviews.review(builder, 'pull', name('a/b'))
    assert.ok(told.kind === 'answered' && !told.allowed)
  })

  test('while the API server is away it is asked now and then, not by every request', async () => {
    const { reviews, state } = open()
    await reviews.review(builder, 'pull', name('a/b'))
    state.away = true
    state.now += 31_000
    for (let n = 0; n < 50; n++) {
      await reviews.review(builder, 'pull', name('a/b'))
      await reviews.review(builder, 'push', name('a/b'))
    }
    assert.equal(state.asked.length, 4)
  })
})

import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KubernetesTokens } from '../../src/access/kubernetes-tokens.ts'
import { ClusterUnavailable, type TokenReviewResult } from '../../src/cluster/reviews.ts'

const start = 1_800_000_000_000
const user = {
  name: 'system:serviceaccount:team-a:builder',
  uid: 'u1',
  groups: ['system:serviceaccounts', 'system:authenticated'],
  extra: {
    'authentication.kubernetes.io/credential-id': ['JTI=7'],
    'authentication.kubernetes.io/pod-name': ['builder-0'],
  },
}
const good: TokenReviewResult = { authenticated: true, user, audiences: ['trow'] }

function jwt(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256' })}.${part({ iss: 'https://kubernetes.default.svc', ...claims })}.c2ln`
}

suite('tokens of the cluster', () => {
  function open(answer: TokenReviewResult | Error, apiServerTokens = false) {
    const state = {
      now: start,
      answer,
      asked: [] as (readonly string[] | undefined)[],
      /** Resolves when a frozen cluster goes on. */
      frozen: undefined as Promise<void> | undefined,
    }
    const tokens = new KubernetesTokens({
      cluster: {
        async reviewToken(_, audiences) {
          state.asked.push(audiences)
          await new Promise((resolve) => setImmediate(resolve))
          await state.frozen
          if (state.answer instanceof Error) throw state.answer
          return state.answer
        },
        reviewAccess: () => Promise.reject(new Error('not asked here')),
      },
      now: () => state.now,
      apiServerTokens,
    })
    return { state, tokens }
  }
  const reason = async (
    answer: TokenReviewResult,
    claims: object,
    apiServerTokens = false,
  ): Promise<string> => {
    const verified = await open(answer, apiServerTokens).tokens.verify(jwt(claims))
    assert.ok(!verified.ok && verified.kind === 'refused')
    return verified.reason
  }
  const exp = start / 1000 + 3600

  test('the caller is who the cluster says, with pod and credential id', async () => {
    const { tokens, state } = open(good)
    const answer = await tokens.verify(jwt({ aud: ['trow'], exp }))
    assert.ok(answer.ok)
    assert.deepEqual(answer.principal, {
      kind: 'kubernetes',
      name: user.name,
      uid: 'u1',
      groups: user.groups,
      extra: user.extra,
      reviewable: true,
      credentialId: 'JTI=7',
      expiresAt: exp * 1000,
    })
    assert.deepEqual(state.asked, [['trow']])
  })

  test('one review for a token in seven seconds, however many come at once, and none beyond its end', async () => {
    const { tokens, state } = open(good)
    const token = jwt({ aud: 'trow', exp: start / 1000 + 5 })
    const answers = await Promise.all(Array.from({ length: 100 }, () => tokens.verify(token)))
    assert.ok(answers.every((answer) => answer.ok && answer.until === start + 5000))
    await tokens.verify(token)
    assert.equal(state.asked.length, 1)
    state.now += 5000
    assert.ok(!(await tokens.verify(token)).ok)
    const long = jwt({ aud: 'trow', exp })
    await tokens.verify(long)
    const asked = state.asked.length
    state.now += 6999
    await tokens.verify(long)
    assert.equal(state.asked.length, asked)
    state.now += 1
    await tokens.verify(long)
    assert.equal(state.asked.length, asked + 1)
  })

  test('a refusal is kept for a while, too, and never shows the token', async () => {
    const token = jwt({ aud: 'trow', exp })
    const { tokens, state } = open({ authenticated: false, reason: `bad ${token}` })
    const answer = await tokens.verify(token)
    assert.ok(!answer.ok)
    assert.ok(!answer.reason.includes(token.slice(0, 20)))
    await tokens.verify(token)
    assert.equal(state.asked.length, 1)
    state.now += 15_000
    await tokens.verify(token)
    assert.equal(state.asked.length, 2)
  })

  test('a refusal says why', async () => {
    const no: TokenReviewResult = { authenticated: false, reason: 'invalid bearer token' }
    assert.equal(await reason(no, { aud: 'trow', exp: start / 1000 - 1 }), 'the token has expired')
    assert.equal(await reason(no, { aud: ['vault'], exp }), 'its audience is "vault", not "trow"')
    const gone = 'service account token has been invalidated'
    assert.match(
      await reason({ ...no, reason: gone }, { aud: 'trow', exp }),
      /its pod, service account or secret/,
    )
    assert.match(await reason(no, { aud: 'trow', exp }), /refuses the token: invalid bearer token/)
    assert.match(await reason({ ...good, audiences: ['vault'] }, { aud: 'trow', exp }), /audience/)
  })

  test('tokens for the API server only when they are allowed', async () => {
    const unaware: TokenReviewResult = { ...good, audiences: [] }
    assert.match(await reason(unaware, { exp }), /meant for the API server/)
    assert.match(await reason(unaware, { aud: 'https://kubernetes.default.svc', exp }), /not "trow"/)
    assert.match(await reason(unaware, { aud: 'trow', exp }), /meant for the API server/)
    const opaque = open(unaware)
    assert.ok(!(await opaque.tokens.verify('k8s-aws-v1.abc')).ok)
    assert.equal(opaque.state.asked.length, 0)

    const allowed = open(unaware, true)
    assert.ok((await allowed.tokens.verify('k8s-aws-v1.abc')).ok)
    assert.ok((await allowed.tokens.verify(jwt({ aud: 'https://kubernetes.default.svc', exp }))).ok)
    allowed.state.answer = good
    assert.ok((await allowed.tokens.verify(jwt({ aud: ['x', 'trow'], exp }))).ok)
    assert.deepEqual(
      allowed.state.asked.map((audiences) => audiences?.[0]),
      [undefined, undefined, 'trow'],
    )
  })

  test('a known token does not wait for a cluster that is frozen, and its late answer counts', async () => {
    const { tokens, state } = open(good)
    const [known, other] = [jwt({ aud: 'trow', exp }), jwt({ aud: 'trow', exp, sub: 'other' })]
    assert.ok((await tokens.verify(known)).ok)
    state.now += 8000
    const thaw = Promise.withResolvers<void>()
    state.frozen = thaw.promise
    const waited = Symbol('it waited')
    const long = new Promise<typeof waited>((resolve) => setTimeout(resolve, 2500, waited).unref())
    const [answer, stranger] = [tokens.verify(known), tokens.verify(other)]
    const meanwhile = await Promise.race([answer, long])
    assert.ok(meanwhile !== waited && meanwhile.ok)
    assert.equal(meanwhile.until, state.now + 1000)
    assert.equal(await Promise.race([stranger, long]), waited, 'nothing is known of the other one')
    state.answer = { authenticated: false, reason: 'gone' }
    thaw.resolve()
    assert.ok(!(await stranger).ok)
    assert.ok(!(await tokens.verify(known)).ok)
    assert.equal(state.asked.length, 3)
  })

  test('a cluster that is away is no refusal, and nothing is kept of it', async () => {
    const { tokens, state } = open(new ClusterUnavailable('gone'))
    const token = jwt({ aud: 'trow', exp })
    const answer = await tokens.verify(token)
    assert.ok(!answer.ok && answer.kind === 'unavailable')
    assert.equal(answer.retryAfter, 5)
    state.answer = good
    assert.ok((await tokens.verify(token)).ok)
    state.answer = new ClusterUnavailable('gone')
    state.now += 7000
    const again = await tokens.verify(token)
    assert.ok(
      again.ok && again.until === state.now + 5000,
      'what the cluster said last holds for two minutes',
    )
    state.now = start + 119_999
    assert.ok((await tokens.verify(token)).ok)
    state.now += 1
    assert.ok(!(await tokens.verify(token)).ok)
    state.answer = { authenticated: false, reason: 'gone' }
    assert.ok(!(await tokens.verify(jwt({ aud: 'trow', exp }))).ok, 'an answer counts at once')
    state.answer = new TypeError('a bug')
    await assert.rejects(tokens.verify(jwt({ aud: 'trow', exp: exp + 1 })), TypeError)
  })
})

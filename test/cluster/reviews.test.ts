import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, suite, test } from 'node:test'
import { connectCluster, type ClusterConnection } from '../../src/cluster/cluster-connection.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import type { KubeUser } from '../../src/cluster/kube-context.ts'
import { KubernetesReviews } from '../../src/cluster/kubernetes-reviews.ts'
import { ClusterUnavailable } from '../../src/cluster/reviews.ts'
import { contextFor, failure, reply, startFakeApiServer } from '../support/fake-api-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'trow-reviews-'))
const server = await startFakeApiServer(() => undefined)
const opened: ClusterConnection[] = []
after(async () => {
  for (const connection of opened) await connection.close()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function reviewsOf(
  options: { timeout?: number; concurrency?: number; user?: Partial<KubeUser>; url?: string } = {},
): Promise<KubernetesReviews> {
  const context = contextFor(options.url ?? server.url, options.user)
  const credentials = new CredentialSource(context, { env: {}, interactive: false, now: () => Date.now() })
  const connection = await connectCluster({ context, credentials, timeout: 400, ...options })
  opened.push(connection)
  return new KubernetesReviews(connection)
}

const user = { username: 'alice', uid: '7', groups: ['dev'], extra: { 'example.com/pod': ['p'] } }
const access = {
  user: { name: 'alice', uid: '7', groups: ['dev'], extra: { 'example.com/pod': ['p'] } },
  verb: 'get',
  namespace: 'team-a',
  name: 'web/api',
} as const

/** The `spec` of the request with this index. */
function specOf(place: number): { readonly token?: string; readonly audiences?: readonly string[] } {
  return server.asked[place]?.body?.spec as { token?: string; audiences?: string[] }
}

beforeEach(() => {
  ;(server.asked as unknown[]).length = 0
})

suite('a token is reviewed', () => {
  const rows: readonly (readonly [
    says: string,
    status: Record<string, unknown>,
    audiences: readonly string[] | undefined,
    expected: unknown,
  ])[] = [
    [
      'of the audience asked for',
      { authenticated: true, user, audiences: ['trow'] },
      ['trow'],
      { authenticated: true, user: { ...access.user }, audiences: ['trow'] },
    ],
    [
      'by an authenticator that knows no audiences',
      { authenticated: true, user },
      ['trow'],
      { authenticated: true, user: { ...access.user }, audiences: [] },
    ],
    [
      'of another audience, said to be authentic all the same',
      { authenticated: true, user, audiences: ['vault'] },
      ['trow'],
      { authenticated: false, reason: 'its audience is not "trow"' },
    ],
    [
      'for the API server itself',
      { authenticated: true, user, audiences: ['https://kubernetes.default.svc'] },
      undefined,
      { authenticated: true, user: { ...access.user }, audiences: [] },
    ],
    [
      'that nobody knows',
      { authenticated: false },
      ['trow'],
      { authenticated: false, reason: 'the cluster does not know the token' },
    ],
    [
      'that has expired',
      { error: '[invalid bearer token, service account token has expired]' },
      ['trow'],
      { authenticated: false, reason: 'service account token has expired' },
    ],
    [
      'of a name that is empty',
      { authenticated: true, user: { username: '' } },
      ['trow'],
      { authenticated: false, reason: 'the cluster does not know the token' },
    ],
  ]
  for (const [says, status, audiences, expected] of rows) {
    test(says, async () => {
      server.answer = (_, response) => reply(response, 201, { status })
      assert.deepEqual(await (await reviewsOf()).reviewToken('head.claims.sign', audiences), expected)
      const { token, audiences: asked } = specOf(0)
      assert.equal(token, 'head.claims.sign')
      assert.deepEqual(asked?.slice(0, -1), audiences)
      assert.match(asked?.at(-1) ?? 'trow-asked-at-none', /^trow-asked-at-/)
    })
  }

  test('past the memory of the API server: never twice with the same audiences', async () => {
    const own = 'https://kubernetes.default.svc'
    const status = { authenticated: true, user, audiences: [own] }
    server.answer = (_, response) => reply(response, 201, { status })
    const reviews = await reviewsOf()
    for (let n = 0; n < 3; n++) await reviews.reviewToken('a.b.c', undefined)
    for (let n = 0; n < 2; n++) await reviews.reviewToken('a.b.c', ['trow'])
    const asked = server.asked.map((_, place) => JSON.stringify(specOf(place).audiences ?? []))
    assert.equal(new Set(asked).size, 5)
    assert.ok(asked.slice(1, 3).every((each) => each.includes(own)))
    server.answer = (_, response) => reply(response, 201, { status: { authenticated: false } })
    assert.ok(!(await reviews.reviewToken('a.b.c', undefined)).authenticated)
    assert.equal(specOf(6).audiences, undefined, 'it may be of another audience of the API server')
  })

  test('and nothing of it comes back in a reason', async () => {
    const token = 'eyJhbGciOi.canary-claims.canary-signature'
    server.answer = (_, response) =>
      reply(response, 201, { status: { error: `cannot parse "${token}": bad segment canary-claims` } })
    const result = await (await reviewsOf()).reviewToken(token, ['trow'])
    assert.ok(!result.authenticated && !result.reason.includes('canary'), JSON.stringify(result))
  })

  test('not when it cannot be one', async () => {
    const reviews = await reviewsOf()
    assert.equal((await reviews.reviewToken('', ['trow'])).authenticated, false)
    assert.equal((await reviews.reviewToken('x'.repeat(100_000), ['trow'])).authenticated, false)
    assert.equal(server.asked.length, 0)
  })
})

suite('access is reviewed', () => {
  const rows: readonly (readonly [Record<string, unknown>, boolean, RegExp])[] = [
    [{ allowed: true, reason: 'RBAC: allowed by RoleBinding "b/team-a"' }, true, /^RBAC: allowed by/],
    [{ allowed: false }, false, /no RBAC rule/],
    [{ allowed: true, denied: true, reason: 'webhook says no' }, false, /webhook says no/],
    [{ allowed: false, evaluationError: 'role "x" not found' }, false, /role "x" not found/],
  ]
  for (const [status, allowed, reason] of rows) {
    test(JSON.stringify(status), async () => {
      server.answer = (_, response) => reply(response, 201, { status })
      const result = await (await reviewsOf()).reviewAccess(access)
      assert.equal(result.allowed, allowed)
      assert.match(result.reason, reason)
    })
  }

  test('with all that is known of the user', async () => {
    server.answer = (_, response) => reply(response, 201, { status: { allowed: true } })
    const reviews = await reviewsOf()
    await reviews.reviewAccess(access)
    await reviews.reviewAccess({ ...access, namespace: undefined, name: undefined, verb: 'list' })
    const attributes = { group: 'registry.trow.io', version: 'v1', resource: 'repositories' }
    assert.deepEqual(
      server.asked.map(({ body }) => body?.spec),
      [
        {
          user: 'alice',
          uid: '7',
          groups: ['dev'],
          extra: { 'example.com/pod': ['p'] },
          resourceAttributes: { ...attributes, verb: 'get', namespace: 'team-a', name: 'web/api' },
        },
        {
          user: 'alice',
          uid: '7',
          groups: ['dev'],
          extra: { 'example.com/pod': ['p'] },
          resourceAttributes: { ...attributes, verb: 'list' },
        },
      ],
    )
  })
})

suite('nobody can tell', () => {
  const rows: readonly (readonly [
    says: string,
    answer: Parameters<typeof startFakeApiServer>[0],
    message: RegExp,
    retryAfter?: number,
  ])[] = [
    ['500', (_, response) => failure(response, 500, 'etcd is away'), /500: etcd is away/],
    ['503', (_, response) => failure(response, 503, 'starting', 4), /503/, 4],
    ['429', (_, response) => failure(response, 429, 'too many', 2), /429/, 2],
    ['401', (_, response) => failure(response, 401, 'Unauthorized'), /does not know trow's own credential/],
    ['403', (_, response) => failure(response, 403, 'no'), /bind ClusterRole system:auth-delegator/],
    ['404', (_, response) => failure(response, 404, 'no such path'), /404/],
    ['a cut connection', (_, __, request) => void request.socket.destroy(), /no answer/],
    ['silence', () => undefined, /took too long/],
    [
      'half an answer',
      (_, response) => {
        response.writeHead(201, { 'content-type': 'application/json' })
        response.write('{"status":')
      },
      /took too long/,
    ],
    [
      'another page',
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      /no answer/,
    ],
  ]
  for (const [says, answer, message, retryAfter] of rows) {
    test(`after ${says}`, async () => {
      server.answer = answer
      const reviews = await reviewsOf()
      for (const ask of [
        () => reviews.reviewToken('canary-token', ['trow']),
        () => reviews.reviewAccess(access),
      ]) {
        await assert.rejects(ask(), (error) => {
          assert.ok(error instanceof ClusterUnavailable, String(error))
          assert.match(error.message, message)
          assert.equal(error.retryAfter, retryAfter)
          assert.ok(!error.message.includes('canary') && !error.message.includes('own-credential'))
          return true
        })
      }
    })
  }

  test('where nobody listens', async () => {
    const gone = await startFakeApiServer(() => undefined)
    await gone.close()
    const reviews = await reviewsOf({ url: gone.url })
    await assert.rejects(reviews.reviewAccess(access), ClusterUnavailable)
  })
})

suite('connections', () => {
  test('are kept, however many reviews there are', async () => {
    server.answer = (_, response) => reply(response, 201, { status: { allowed: true } })
    const before = server.connections
    const reviews = await reviewsOf({ concurrency: 4, timeout: 10_000 })
    await Promise.all(Array.from({ length: 500 }, async () => reviews.reviewAccess(access)))
    assert.equal(server.asked.length, 500)
    assert.ok(server.connections - before <= 12, `${server.connections - before} connections`)
  })

  test('that are silent hold up the next ones only for their time', async () => {
    server.answer = () => undefined
    const reviews = await reviewsOf({ concurrency: 1, timeout: 200 })
    const started = performance.now()
    const results = await Promise.allSettled([1, 2, 3].map(async () => reviews.reviewAccess(access)))
    assert.ok(results.every(({ status }) => status === 'rejected'))
    assert.ok(performance.now() - started < 400)
    server.answer = (_, response) => reply(response, 201, { status: { allowed: true } })
    assert.equal((await reviews.reviewAccess(access)).allowed, true)
  })

  test('that were cut are made again, and the review is asked once more', async () => {
    const reviews = await reviewsOf()
    let cuts = 1
    server.answer = (_, response, request) => {
      if (cuts-- > 0) request.socket.destroy()
      else reply(response, 201, { status: { allowed: true } })
    }
    assert.equal((await reviews.reviewAccess(access)).allowed, true)
  })

  test('show the token that is in the file now', async () => {
    const file = join(folder, 'token')
    writeFileSync(file, 'first\n')
    const reviews = await reviewsOf({ user: { token: { kind: 'token-file', file } } })
    server.answer = ({ authorization }, response) =>
      authorization === 'Bearer second'
        ? reply(response, 201, { status: { allowed: true } })
        : failure(response, 401, 'Unauthorized')
    await assert.rejects(reviews.reviewAccess(access), ClusterUnavailable)
    writeFileSync(file, 'second\n')
    assert.equal((await reviews.reviewAccess(access)).allowed, true)
  })
})

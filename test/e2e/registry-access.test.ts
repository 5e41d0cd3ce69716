import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { Received } from '../support/access-matrix.ts'
import { basic } from '../support/ways.ts'
import { resign, tokenOf } from './cluster-access.ts'
import { Cluster } from './cluster.ts'
import { eventually } from '../support/program.ts'
import { ClusterRegistry, podOf, type ServiceAccount } from './registry.ts'
import { bearer, type RegistryClient } from './registry-client.ts'
import { clusterProblem } from './requirements.ts'

suite('RBAC at a real registry', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  let registry: ClusterRegistry
  let builder: ServiceAccount
  let anybody: RegistryClient
  before(async () => {
    cluster = await Cluster.open()
    registry = await ClusterRegistry.start(cluster, { namespaces: ['team-a', 'team-b'] })
    builder = await registry.serviceAccount('team-a', 'builder')
    anybody = registry.client()
  })
  after(async () => {
    await registry.close()
    await cluster.close()
  })

  /** Presents the token in each supported way. */
  const pushes = async (token: string, repository = 'team-a/app'): Promise<Received[]> => {
    const scope = `repository:${repository}:pull,push`
    const tokens = [
      await anybody.token(scope, basic('whoever', token)),
      await anybody.token(scope, bearer(token).authorization),
      await anybody.passwordToken(scope, 'whoever', token),
    ]
    const shown = [{ authorization: basic('whoever', token) }, bearer(token), ...tokens.map(bearer)]
    const replies: Received[] = []
    for (const headers of shown) replies.push(await anybody.push(repository, headers))
    return replies
  }

  test('a push is denied, and the same push is allowed soon after a RoleBinding', async (context) => {
    const token = await registry.token(builder)
    for (const { status, body } of await pushes(token)) {
      assert.equal(status, 403, body)
      assert.match(body, /DENIED/)
      assert.match(body, /system:serviceaccount:team-a:builder has no right to push team-a\/app/)
      assert.match(body, /RBAC of the cluster/)
    }
    await registry.bind('team-a', 'pusher', '--serviceaccount=team-a:builder')
    const started = Date.now()
    await eventually(async () => {
      const { status, body } = await anybody.push('team-a/app', bearer(token))
      assert.equal(status, 202, body)
    }, 30_000)
    context.diagnostic(`allowed ${Date.now() - started} ms after the RoleBinding`)
    for (const { status, body } of await pushes(token)) assert.equal(status, 202, body)
    for (const { status } of await pushes(token, 'team-b/app')) assert.equal(status, 403)
    for (const { status } of await pushes(token, 'team-a')) assert.equal(status, 403, 'cluster-wide')
  })

  test('the service account of the same name in another namespace is another', async () => {
    const other = await registry.serviceAccount('team-b', 'builder')
    for (const { status, body } of await pushes(await registry.token(other))) {
      assert.equal(status, 403)
      assert.match(body, /system:serviceaccount:team-b:builder has no right to push/)
    }
  })

  test('a token that does not hold is refused by each way, and the refusal says why', async () => {
    const good = await registry.token(builder)
    const now = Math.floor(Date.now() / 1000)
    const rows: readonly (readonly [string, string, RegExp])[] = [
      [
        'of another audience',
        await tokenOf(cluster, 'builder', '-n', 'team-a', '--audience=vault'),
        /vault.*not \\?"trow/,
      ],
      [
        'for the API server',
        await tokenOf(cluster, 'builder', '-n', 'team-a'),
        /kubernetes\.default\.svc.*not \\?"trow/,
      ],
      ['expired', resign(good, { exp: now - 60, iat: now - 4000, nbf: now - 4000 }), /expired/],
      ['of a pod that is gone', await tokenOfGonePod(), /invalidated.*pod/],
      ['of another key', `${good.slice(0, -8)}AAAAAAAA`, /the cluster refuses the token/],
    ]
    for (const [name, token, reason] of rows) {
      const replies = [
        await anybody.push('team-a/app', { authorization: basic('whoever', token) }),
        await anybody.push('team-a/app', bearer(token)),
        await anybody.get('/token?service=trow', { authorization: basic('whoever', token) }),
      ]
      for (const { status, body, headers } of replies) {
        assert.equal(status, 401, `${name}: ${body}`)
        assert.match(body, reason, name)
        assert.ok(!body.includes(token.slice(-30)), 'nothing of the token is in it')
        assert.ok(headers['www-authenticate'])
      }
    }
  })

  async function tokenOfGonePod(): Promise<string> {
    const stdin = JSON.stringify(podOf(builder, 'gone'))
    await cluster.kubectl(['create', '-f', '-'], { stdin })
    const token = await registry.token(builder, '--bound-object-kind=Pod', '--bound-object-name=gone')
    await cluster.kubectl(['-n', 'team-a', 'delete', 'pod', 'gone', '--force', '--grace-period=0'])
    return token
  }

  /** Repeats the request all the time, so that every cache holds its answer. */
  async function refusedSoon(
    what: string,
    client: RegistryClient,
    token: string,
    revoke: () => Promise<unknown>,
  ): Promise<void> {
    const push = async (): Promise<number> => (await client.push('team-a/app', bearer(token))).status
    assert.equal(await push(), 202, what)
    await revoke()
    const revokedAt = Date.now()
    while ((await push()) !== 401) assert.ok(Date.now() < revokedAt + 12_000, `${what} is still taken`)
    console.log(`${what}: refused after ${Date.now() - revokedAt} ms`)
  }

  test('a token of the registry itself gets no other one, and the token of a pod falls with the pod', async () => {
    const pod = podOf(builder, 'short')
    await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(pod) })
    const token = await registry.token(builder, '--bound-object-kind=Pod', '--bound-object-name=short')
    const own = await anybody.token('repository:team-a/app:pull,push', bearer(token).authorization)
    const again = { authorization: `Bearer ${own}` }
    assert.equal((await anybody.get('/token?service=trow', again)).status, 401)
    await refusedSoon('the token of a pod', anybody, token, () =>
      cluster.kubectl(['-n', 'team-a', 'delete', 'pod', 'short', '--force', '--grace-period=0']),
    )
  })

  test('a token for the API server is taken where that is allowed', async () => {
    const { client, stop } = await registry.another(['--api-server-tokens'])
    try {
      const forApiServer = await tokenOf(cluster, 'builder', '-n', 'team-a')
      for (const token of [forApiServer, await registry.token(builder)]) {
        const { status, body } = await client.push('team-a/app', bearer(token))
        assert.equal(status, 202, body)
      }
      const vault = await tokenOf(cluster, 'builder', '-n', 'team-a', '--audience=vault')
      assert.equal((await client.push('team-a/app', bearer(vault))).status, 401)
      // A token without expiry, as Secrets hold them.
      const secret = {
        apiVersion: 'v1',
        kind: 'Secret',
        type: 'kubernetes.io/service-account-token',
        metadata: {
          name: 'eternal',
          namespace: 'team-a',
          annotations: { 'kubernetes.io/service-account.name': 'builder' },
        },
      }
      await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(secret) })
      const read = ['-n', 'team-a', 'get', 'secret', 'eternal', '-o', 'jsonpath={.data.token}']
      const eternal = await eventually(async () => {
        const token = Buffer.from(await cluster.kubectl(read), 'base64').toString()
        assert.notEqual(token, '')
        return token
      }, 30_000)
      await refusedSoon('a token without an end', client, eternal, () =>
        cluster.kubectl(['-n', 'team-a', 'delete', 'secret', 'eternal']),
      )
    } finally {
      await stop()
    }
  })

  test('200 requests at once with a new token ask the API server once who and once what', async (context) => {
    const puller = await registry.serviceAccount('team-a', 'puller')
    await registry.bind('team-a', 'puller', '--serviceaccount=team-a:puller')
    const token = await registry.token(puller)
    const before = await reviewCounts(cluster)
    const path = '/v2/team-a/app/manifests/missing'
    const replies = await Promise.all(Array.from({ length: 200 }, () => anybody.get(path, bearer(token))))
    for (const { status, body } of replies) assert.equal(status, 404, body)
    // The same caller with other credentials: only the verb of a push needs a new review.
    assert.equal((await anybody.get(path, { authorization: basic('x', token) })).status, 404)
    const own = await anybody.token('repository:team-a/app:pull', basic('x', token))
    assert.equal((await anybody.get(path, bearer(own))).status, 404)
    const after = await reviewCounts(cluster)
    const [tokens, accesses] = [after.tokens - before.tokens, after.accesses - before.accesses]
    context.diagnostic(`200 requests at once: ${tokens} TokenReviews, ${accesses} SubjectAccessReviews`)
    assert.equal(tokens, 1)
    assert.equal(accesses, 1)
  })
})

/** Resolves to the number of reviews that the API server has answered since its start. */
async function reviewCounts(
  cluster: Cluster,
): Promise<{ readonly tokens: number; readonly accesses: number }> {
  const metrics = await cluster.kubectl(['get', '--raw', '/metrics'])
  const count = (resource: string): number =>
    metrics
      .split('\n')
      .filter(
        (line) => line.startsWith('apiserver_request_total{') && line.includes(`resource="${resource}"`),
      )
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
  return { tokens: count('tokenreviews'), accesses: count('subjectaccessreviews') }
}

import assert from 'node:assert/strict'
import { once, EventEmitter } from 'node:events'
import { readFileSync } from 'node:fs'
import { after, before, suite, test } from 'node:test'
import { followClientCa } from '../../src/cluster/client-ca.ts'
import type { ClusterConnection } from '../../src/cluster/cluster-connection.ts'
import { KubernetesReviews } from '../../src/cluster/kubernetes-reviews.ts'
import { ClusterUnavailable, type AccessReview } from '../../src/cluster/reviews.ts'
import type { Log } from '../../src/log.ts'
import { issueAuthority } from '../support/self-signed.ts'
import { connectAs, resign, templates, tokenOf } from './cluster-access.ts'
import { Cluster } from './cluster.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

suite('what the registry asks of the API server', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  let server: string
  let connection: ClusterConnection
  let reviews: KubernetesReviews
  before(async () => {
    cluster = await Cluster.open()
    server = `https://127.0.0.1:${(await cluster.relay()).port}`
    for (const namespace of ['trow', 'team-a', 'team-b']) await cluster.emptyNamespace(namespace)
    await cluster.kubectl(['-n', 'trow', 'create', 'serviceaccount', 'trow'])
    await cluster.kubectl(['-n', 'team-a', 'create', 'serviceaccount', 'builder'])
    const token = await tokenOf(cluster, 'trow', '-n', 'trow')
    connection = await connectAs(cluster.tokenKubeconfig(token, server))
    reviews = new KubernetesReviews(connection)
  })
  after(async () => {
    await cluster.kubectl(['delete', '--ignore-not-found', ...templates.flatMap((file) => ['-f', file])])
    await cluster.kubectl(['delete', 'namespace', 'trow', 'team-a', 'team-b', '--wait=false'])
    await connection.close()
    await cluster.close()
  })

  const builder = 'system:serviceaccount:team-a:builder'
  const access = (name: string, more: Partial<AccessReview> = {}): AccessReview => ({
    user: { name, groups: ['system:authenticated'] },
    verb: 'get',
    namespace: 'team-a',
    name: 'web/api',
    ...more,
  })
  const may = async (name: string, verb: AccessReview['verb'], namespace = 'team-a'): Promise<boolean> =>
    (await reviews.reviewAccess(access(name, { verb, namespace }))).allowed

  test('nothing is answered before the registry has its rights, and that is said', async () => {
    for (const ask of [() => reviews.reviewToken('x', ['trow']), () => reviews.reviewAccess(access('ada'))]) {
      await assert.rejects(ask(), (error) => {
        assert.ok(error instanceof ClusterUnavailable)
        assert.match(error.message, /system:auth-delegator/)
        return true
      })
    }
    await cluster.kubectl(['apply', ...templates.flatMap((file) => ['-f', file])])
    await eventually(() => reviews.reviewAccess(access('ada')), 10_000)
  })

  test('a token of audience trow names account, pod and node', async () => {
    await cluster.kubectl(['-n', 'team-a', 'create', '-f', '-'], { stdin: JSON.stringify(pod('bound')) })
    const bound = ['--bound-object-kind=Pod', '--bound-object-name=bound']
    const token = await tokenOf(cluster, 'builder', '-n', 'team-a', '--audience=trow', ...bound)
    const result = await reviews.reviewToken(token, ['trow'])
    assert.ok(result.authenticated)
    assert.equal(result.user.name, builder)
    assert.ok(result.user.groups.includes('system:serviceaccounts:team-a'))
    assert.deepEqual(result.audiences, ['trow'])
    assert.deepEqual(result.user.extra?.['authentication.kubernetes.io/pod-name'], ['bound'])
    await cluster.kubectl(['-n', 'team-a', 'delete', 'pod', 'bound', '--force', '--grace-period=0'])
    // The API server caches a token review for some seconds.
    const gone = await eventually(async () => {
      const after = await reviews.reviewToken(token, ['trow'])
      assert.ok(!after.authenticated)
      return after
    }, 30_000)
    assert.match(gone.reason, /invalidated|deleted|not found/)
  })

  test('tokens of another audience, of another time and of nobody are refused, and each says why', async () => {
    const good = await tokenOf(cluster, 'builder', '-n', 'team-a', '--audience=trow')
    const now = Math.floor(Date.now() / 1000)
    const rows: readonly (readonly [string, RegExp])[] = [
      [await tokenOf(cluster, 'builder', '-n', 'team-a', '--audience=vault'), /audience/],
      [await tokenOf(cluster, 'builder', '-n', 'team-a'), /audience/],
      [resign(good, { exp: now - 60, iat: now - 4000, nbf: now - 4000 }), /expired/],
      [resign(good, { nbf: now + 3600 }), /not valid yet|not yet/],
      [`${good.slice(0, -8)}AAAAAAAA`, /./],
      ['canary-that-is-no-jwt', /./],
      ['a.b.c', /./],
      ['\u0000\n"', /./],
    ]
    for (const [token, reason] of rows) {
      const result = await reviews.reviewToken(token, ['trow'])
      assert.ok(!result.authenticated)
      assert.match(result.reason, reason)
      assert.ok(!result.reason.includes('canary'))
    }
  })

  test('a token for the API server is one only when no audience is asked for', async () => {
    const token = await tokenOf(cluster, 'builder', '-n', 'team-a')
    const result = await reviews.reviewToken(token, undefined)
    assert.ok(result.authenticated)
    assert.deepEqual(result.audiences, [])
    const other = await tokenOf(cluster, 'builder', '-n', 'team-a', '--audience=trow')
    assert.equal((await reviews.reviewToken(other, undefined)).authenticated, false)
  })

  test('a RoleBinding allows what was denied before, in its namespace alone', async () => {
    assert.equal(await may(builder, 'create'), false)
    const binding = [
      'rolebinding',
      'builders',
      '--clusterrole=trow-pusher',
      '--serviceaccount=team-a:builder',
    ]
    await cluster.kubectl(['-n', 'team-a', 'create', ...binding])
    const started = Date.now()
    await eventually(async () => assert.ok(await may(builder, 'create')), 30_000)
    assert.ok(Date.now() - started < 30_000)
    const { reason } = await reviews.reviewAccess(access(builder))
    assert.match(reason, /RoleBinding "builders\/team-a"/)
    assert.equal(await may(builder, 'delete'), false)
    assert.equal(await may(builder, 'get', 'team-b'), false)
    const cluster_wide = access(builder, { namespace: undefined, name: 'app' })
    assert.equal((await reviews.reviewAccess(cluster_wide)).allowed, false)
  })

  test('view pulls, edit pushes, admin deletes', async () => {
    for (const role of ['view', 'edit', 'admin']) {
      const binding = ['rolebinding', `${role}s`, `--clusterrole=${role}`, `--user=${role}-er`]
      await cluster.kubectl(['-n', 'team-a', 'create', ...binding])
    }
    await eventually(async () => assert.ok(await may('admin-er', 'delete')), 30_000)
    const rows = { view: ['get', 'list'], edit: ['get', 'list', 'create', 'update'] } as const
    for (const verb of ['get', 'list', 'create', 'update', 'delete'] as const) {
      assert.equal(
        await may('view-er', verb),
        (rows.view as readonly string[]).includes(verb),
        `view ${verb}`,
      )
      assert.equal(
        await may('edit-er', verb),
        (rows.edit as readonly string[]).includes(verb),
        `edit ${verb}`,
      )
      assert.equal(await may('admin-er', verb), true, `admin ${verb}`)
    }
  })

  test('the client CA is the one of the cluster, and followed', async (t) => {
    const ca = await followClientCa({ connection, log: silent, interval: 200 })
    t.after(() => ca.close())
    const known = readFileSync(cluster.caFile, 'utf8').trim()
    assert.equal(ca.pem?.trim(), known)
    const changes = new EventEmitter()
    ca.onChange((pem) => changes.emit('change', pem))
    const publish = async (pem: string): Promise<string> =>
      cluster.kubectl([
        '-n',
        'kube-system',
        'patch',
        'configmap',
        'extension-apiserver-authentication',
        '--patch',
        JSON.stringify({ data: { 'client-ca-file': pem } }),
      ])
    const second = await issueAuthority('second')
    const [changed] = await Promise.all([once(changes, 'change'), publish(`${known}\n${second}`)])
    assert.equal((changed as string[])[0], `${known}\n${second}`)
    await publish(`${known}\n`)
  })

  test('while the API server is away nobody can tell, and afterwards it can again', async () => {
    const token = await tokenOf(cluster, 'builder', '-n', 'team-a', '--audience=trow')
    for (const how of ['killed', 'frozen'] as const) {
      await cluster.stopApiServer(how)
      try {
        const started = Date.now()
        await assert.rejects(reviews.reviewToken(token, ['trow']), ClusterUnavailable)
        await assert.rejects(reviews.reviewAccess(access(builder)), ClusterUnavailable)
        assert.ok(Date.now() - started < 8000, how)
      } finally {
        await cluster.startApiServer()
      }
      const back = await eventually(() => reviews.reviewToken(token, ['trow']), 20_000)
      assert.equal(back.authenticated, true, how)
    }
  })
})

function pod(name: string): object {
  const containers = [{ name: 'main', image: 'trow.test/busybox:1' }]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { serviceAccountName: 'builder', terminationGracePeriodSeconds: 0, containers },
  }
}

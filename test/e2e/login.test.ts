import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { after, afterEach, before, beforeEach, suite, test } from 'node:test'
import type { ClusterConnection } from '../../src/cluster/cluster-connection.ts'
import { KubernetesReviews } from '../../src/cluster/kubernetes-reviews.ts'
import { LoginFolder } from '../support/login-folder.ts'
import { connectAs, tokenOf } from './cluster-access.ts'
import { Cluster } from './cluster.ts'
import { clusterProblem } from './requirements.ts'

const builder = 'system:serviceaccount:login-test:builder'
const docker = '.docker/config.json'

suite('trow login at a real cluster', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  let server: string
  let connection: ClusterConnection
  let reviews: KubernetesReviews
  let home: LoginFolder
  before(async () => {
    cluster = await Cluster.open()
    server = `https://127.0.0.1:${(await cluster.relay()).port}`
    await cluster.emptyNamespace('login-test')
    await cluster.kubectl(['-n', 'login-test', 'create', 'serviceaccount', 'builder'])
    const admin = await cluster.clientKubeconfig({ user: 'admin', groups: ['system:masters'], server })
    connection = await connectAs(admin)
    reviews = new KubernetesReviews(connection)
  })
  after(async () => {
    await cluster.kubectl(['delete', 'namespace', 'login-test', '--wait=false'])
    await connection.close()
    await cluster.close()
  })
  beforeEach(() => {
    home = new LoginFolder()
  })
  afterEach(() => home.remove())

  const ca = (): object => ({
    'certificate-authority-data': readFileSync(cluster.caFile).toString('base64'),
  })
  const useCertificate = async (user: string, groups: readonly string[]): Promise<void> => {
    const path = await cluster.clientKubeconfig({ user, groups, server })
    home.write('kubeconfig', readFileSync(path, 'utf8'))
  }
  /** Resolves to the user that the cluster sees in docker's stored credentials. */
  const whoIs = async (audiences: readonly string[] | undefined, config = docker): Promise<string> => {
    const result = await reviews.reviewToken(home.secret(config) ?? '', audiences)
    return result.authenticated ? result.user.name : result.reason
  }

  test('a certificate, for a token of a service account', async () => {
    await useCertificate('ada', ['system:masters'])
    const { code, stdout, stderr } = await home.trow(
      'login',
      '--service-account',
      'login-test/builder',
      '--duration=15m',
      '--docker',
      '--podman',
    )
    assert.equal(code, 0, stderr)
    assert.match(stdout, /service account login-test\/builder, until 20/)
    assert.equal(await whoIs(['trow']), builder)
    assert.equal(await whoIs(['trow'], 'run/containers/auth.json'), builder)
  })

  test('a certificate that may not have one', async () => {
    await useCertificate('nobody', [])
    const { code, stderr } = await home.trow('login', '--service-account', 'login-test/builder')
    assert.equal(code, 77)
    assert.match(stderr, /"nobody" cannot create resource "serviceaccounts\/token"/)
  })

  test('a certificate, for a service account that is not there', async () => {
    await useCertificate('ada', ['system:masters'])
    const { code, stderr } = await home.trow('login', '--service-account', 'login-test/missing')
    assert.equal(code, 1)
    assert.match(stderr, /SERVICE_ACCOUNT_MISSING/)
  })

  test('a certificate itself, which the API server knows where podman would show it', async () => {
    await useCertificate('ada', ['dev'])
    const { code, stderr } = await home.trow('login', '--podman')
    assert.equal(code, 0, stderr)
    const folder = '.config/containers/certs.d/trow.trow.svc'
    const outgoing = request(`${server}/apis/authentication.k8s.io/v1/selfsubjectreviews`, {
      method: 'POST',
      ca: readFileSync(cluster.caFile),
      cert: home.read(`${folder}/client.cert`),
      key: home.read(`${folder}/client.key`),
      headers: { 'content-type': 'application/json' },
      agent: false,
    })
    outgoing.end('{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}')
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    const { status } = JSON.parse(await text(response)) as { status: { userInfo: { username: string } } }
    assert.equal(status.userInfo.username, 'ada')
  })

  test('a token', async () => {
    const token = await tokenOf(cluster, 'builder', '-n', 'login-test')
    home.kubeconfig(server, { token }, ca())
    const { code, stderr } = await home.trow('login')
    assert.equal(code, 0)
    assert.match(stderr, /token for the API server/)
    assert.equal(await whoIs(undefined), builder)
    assert.match(await whoIs(['trow']), /audience/)
    home.kubeconfig(
      server,
      { token: await tokenOf(cluster, 'builder', '-n', 'login-test', '--audience=trow') },
      ca(),
    )
    assert.equal((await home.trow('login')).stderr, '')
    assert.equal(await whoIs(['trow']), builder)
  })

  test('an exec plug-in, for its token and for a service account’s', async () => {
    const token = await tokenOf(cluster, 'builder', '-n', 'login-test')
    const apiVersion = 'client.authentication.k8s.io/v1'
    const answer = JSON.stringify({ apiVersion, kind: 'ExecCredential', status: { token } })
    home.write('bin/get-token', `#!/bin/sh\nprintf '%s' '${answer}'\n`, 0o755)
    home.kubeconfig(server, { exec: { apiVersion, command: 'get-token', interactiveMode: 'Never' } }, ca())
    assert.equal((await home.trow('login')).code, 0)
    assert.equal(await whoIs(undefined), builder)
    await cluster.kubectl([
      '-n',
      'login-test',
      'create',
      'role',
      'requesters',
      '--verb=create',
      '--resource=serviceaccounts/token',
    ])
    const binding = ['rolebinding', 'requesters', '--role=requesters', '--serviceaccount=login-test:builder']
    await cluster.kubectl(['-n', 'login-test', 'create', ...binding])
    // From now on the account may request a token for the registry alone, so that no consent is needed for the other token.
    assert.equal((await home.trow('login')).code, 0)
    assert.equal(await whoIs(['trow']), builder)
    const { code, stderr } = await home.trow('login', '--service-account', 'login-test/builder')
    assert.equal(code, 0, stderr)
    assert.equal(await whoIs(['trow']), builder)
  })

  test('an id token of the oidc provider', async () => {
    // The cluster's own issuer stands in for an OIDC provider, since the API server verifies both alike. The account may
    // request no other token.
    await cluster.kubectl(['-n', 'login-test', 'create', 'serviceaccount', 'reader'])
    const config = {
      'idp-issuer-url': 'https://kubernetes.default.svc',
      'client-id': 'kubernetes',
      'id-token': await tokenOf(cluster, 'reader', '-n', 'login-test'),
    }
    home.kubeconfig(server, { 'auth-provider': { name: 'oidc', config } }, ca())
    const { code, stdout, stderr } = await home.trow('login')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /the id token of https:\/\/kubernetes.default.svc/)
    assert.equal(await whoIs(undefined), 'system:serviceaccount:login-test:reader')
  })

  test('a cluster whose certificate is not the one of the kubeconfig', async () => {
    home.kubeconfig(server, { token: 'x' })
    const { code, stderr } = await home.trow('login', '--service-account', 'login-test/builder')
    assert.equal(code, 69)
    assert.match(stderr, /CLUSTER_UNREACHABLE/)
  })
})

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { checkCells, rights, seed, type Content, type Received } from '../support/access-matrix.ts'
import { issueNodeCertificate } from '../../src/certificates/certificate-authority.ts'
import { makeCertificateRequest, type Pair } from '../support/certificate-authority.ts'
import { Cluster } from './cluster.ts'
import type { ClusterNode } from './node.ts'
import { eventually } from '../support/program.ts'
import { ClusterRegistry, podOf, type ServiceAccount } from './registry.ts'
import { bearer, type RegistryClient } from './registry-client.ts'
import { clusterProblem } from './requirements.ts'

suite('nodes at the registry', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  let registry: ClusterRegistry
  let anybody: RegistryClient
  let content: Content
  const agent: ServiceAccount = { namespace: 'trow-node', name: 'trow-node' }
  before(async () => {
    cluster = await Cluster.open()
    registry = await ClusterRegistry.start(cluster, { namespaces: ['team-a'] })
    anybody = registry.client()
    await registry.bind('team-a', 'puller', '--group=system:nodes')
    content = await seed(registry.keeper, 'team-a/app')
  })
  after(async () => {
    await registry.close()
    await cluster.close()
  })

  const boundToken = async (account: ServiceAccount, node: string): Promise<string> => {
    const pod = `${account.name}-${node}`
    await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(podOf(account, pod, node)) })
    return registry.token(account, '--bound-object-kind=Pod', `--bound-object-name=${pod}`)
  }
  const ask = (headers: Readonly<Record<string, string>>, body: string): Promise<Received> =>
    anybody.send({ method: 'POST', path: '/trow/v1/node-certificate', headers, body })

  test('an agent bound to a node gets a certificate for it, which pulls and does nothing else', async (context) => {
    // The requested name has no effect.
    const { request, key } = await makeCertificateRequest('CN=admin, O=system:masters')
    const { status, body } = await ask(bearer(await boundToken(agent, 'n1')), request)
    assert.equal(status, 200, body)
    const { subject, validTo } = new X509Certificate(body)
    assert.equal(subject, 'O=system:nodes\nCN=system:node:n1')
    assert.ok(Date.parse(validTo) < Date.now() + 8 * 24 * 3_600_000)
    const node = registry.client({ pair: { cert: body, key } })
    await eventually(async () => {
      const reply = await node.get('/v2/team-a/app/tags/list')
      assert.equal(reply.status, 200, reply.body)
    }, 30_000)
    const names = { real: 'team-a/app', absent: 'team-a/xyz', content }
    const role = { name: 'n1', known: true, rights: rights.puller }
    const cells = await checkCells(node.way('node certificate'), role, names)
    context.diagnostic(`${cells} cells`)
    const denied = await node.push('team-a/app')
    assert.match(denied.body, /system:node:n1 has no right to push/)
    const again = await node.send({ method: 'POST', path: '/trow/v1/node-certificate', body: request })
    assert.equal(again.status, 403, 'a node certificate gets no other one')
  })

  test('nobody else gets one', async () => {
    const { request } = await makeCertificateRequest('CN=system:node:n1, O=system:nodes')
    const other = await registry.serviceAccount('trow-node', 'other')
    const lookalike = await registry.serviceAccount('team-a', 'trow-node')
    const rows: readonly (readonly [string, string])[] = [
      ['unbound', await registry.token(agent)],
      ['another account, bound', await boundToken(other, 'n1')],
      ['an account of the same name elsewhere, bound', await boundToken(lookalike, 'n1')],
    ]
    for (const [name, token] of rows) {
      const { status, body } = await ask(bearer(token), request)
      assert.equal(status, 403, `${name}: ${body}`)
      assert.match(body, /a token of a node agent, bound to its node/)
    }
    assert.equal((await ask({}, request)).status, 401)
    const keeper = { authorization: registry.keeperAuthorization }
    assert.equal((await ask(keeper, request)).status, 403)
    const bound = await boundToken(agent, 'n2')
    assert.equal((await ask(bearer(bound), 'no request')).status, 400)
  })

  test("the registry's own CA vouches for nodes only, whatever a certificate of it says", async () => {
    const folder = join(registry.caFile, '..')
    const authority = {
      cert: readFileSync(registry.caFile, 'utf8'),
      key: readFileSync(join(folder, 'ca.key'), 'utf8'),
    }
    const { request, key } = await makeCertificateRequest('CN=x')
    const issue = async (node: string): Promise<Pair> => {
      const options = { node, request, life: 3_600_000 }
      return { cert: await issueNodeCertificate(authority, options, crypto as Crypto), key }
    }
    const good = registry.client({ pair: await issue('n2') })
    assert.equal((await good.get('/v2/team-a/app/tags/list')).status, 200)
    for (const node of ['', 'n2, O=system:masters', 'n2, CN=admin']) {
      const reply = await registry.client({ pair: await issue(node) }).get('/v2/team-a/app/tags/list')
      assert.equal(reply.status, 401, `"${node}": ${reply.body}`)
    }
  })

  test("a certificate falls with its Node, and with the agents' account", async () => {
    const ghost = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'ghost' } }
    await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(ghost) })
    const certified = async (token: string): Promise<RegistryClient> => {
      const { request, key } = await makeCertificateRequest('CN=x')
      const { status, body } = await ask(bearer(token), request)
      assert.equal(status, 200, body)
      assert.match(
        new X509Certificate(body).subjectAltName ?? '',
        /urn:trow:node:.*urn:trow:account:trow-node/,
      )
      return registry.client({ pair: { cert: body, key } })
    }
    const refusedSoon = async (what: string, node: RegistryClient): Promise<void> => {
      const revokedAt = Date.now()
      while ((await node.get('/v2/team-a/app/tags/list')).status !== 401)
        assert.ok(Date.now() < revokedAt + 12_000, `${what} is still taken`)
      console.log(`${what}: refused after ${Date.now() - revokedAt} ms`)
    }
    const [gone, orphan] = [
      await certified(await boundToken(agent, 'ghost')),
      await certified(
        await registry.token(agent, '--bound-object-kind=Pod', '--bound-object-name=trow-node-n1'),
      ),
    ]
    for (const node of [gone, orphan]) assert.equal((await node.get('/v2/team-a/app/tags/list')).status, 200)
    await cluster.kubectl(['delete', 'node', 'ghost'])
    await refusedSoon("a deleted Node's certificate", gone)
    assert.equal((await orphan.get('/v2/team-a/app/tags/list')).status, 200)
    await cluster.kubectl(['-n', 'trow-node', 'delete', 'serviceaccount', 'trow-node'])
    await refusedSoon('the certificate of an account that is gone', orphan)
    await cluster.kubectl(['-n', 'trow-node', 'create', 'serviceaccount', 'trow-node'])
    assert.equal((await orphan.get('/v2/team-a/app/tags/list')).status, 401, 'the account is another one')
  })

  test("containerd of another node pulls with its kubelet's certificate", async (context) => {
    const node = cluster.nodes[1]
    assert.ok(node)
    const relay = await cluster.relayInto(0, Number(new URL(registry.server.url).port))
    const address = `https://172.30.0.2:${relay.port}`
    const image = 'registry.test/team-a/box:1'
    const own = '/etc/containerd/certs.d'
    writeHosts(node, '/etc/containerd/push.d', address, '')
    writeHosts(node, own, address, 'client = "/var/lib/kubelet/pki/kubelet-client-current.pem"')
    const push = ['images', 'push', '--hosts-dir', '/etc/containerd/push.d', '--user', 'keeper:keeper-pw']
    await node.ctr(...push, image, 'trow.test/busybox:1')
    await assert.rejects(
      node.ctr('images', 'pull', '--hosts-dir', '/etc/containerd/push.d', image),
      /401|auth/,
    )
    const started = Date.now()
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'box', namespace: 'team-a' },
      spec: {
        nodeName: node.name,
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image, imagePullPolicy: 'Always' }],
      },
    }
    await cluster.kubectl(['create', '-f', '-'], { stdin: JSON.stringify(pod) })
    await cluster.kubectl(['-n', 'team-a', 'wait', '--for=condition=Ready', 'pod/box', '--timeout=60s'])
    context.diagnostic(`a pod on ${node.name} ran after ${Date.now() - started} ms`)
    await cluster.kubectl(['-n', 'team-a', 'delete', 'pod', 'box', '--force', '--grace-period=0'])
  })

  function writeHosts(node: ClusterNode, folder: string, address: string, client: string): void {
    const own = join(node.outside(folder), 'registry.test')
    mkdirSync(own, { recursive: true })
    writeFileSync(
      join(own, 'hosts.toml'),
      `server = "${address}"
[host."${address}"]
  capabilities = ["pull", "resolve", "push"]
  ca = "${registry.caFile}"
  ${client}
`,
    )
  }
})

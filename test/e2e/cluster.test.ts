import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { Cluster } from './cluster.ts'
import { eventually, ProgramError } from '../support/program.ts'
import { leftovers } from './removal.ts'
import { clusterProblem } from './requirements.ts'

interface Review {
  readonly status: {
    readonly authenticated?: boolean
    readonly allowed?: boolean
    readonly audiences?: readonly string[]
    readonly user?: { readonly username: string; readonly extra?: Readonly<Record<string, string[]>> }
  }
}

suite('the cluster of the tests', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  before(async () => (cluster = await Cluster.open()))
  after(async () => {
    const pods = cluster.nodes.map(({ name }) => `on-${name}`)
    await cluster.kubectl(['delete', 'pod', ...pods, '--ignore-not-found', '--now'])
    await cluster.close()
  })

  const create = async <T>(object: object): Promise<T> =>
    JSON.parse(
      await cluster.kubectl(['create', '-f', '-', '-o', 'json'], { stdin: JSON.stringify(object) }),
    ) as T

  test('its nodes are Ready, with containerd 2', async () => {
    const { items } = JSON.parse(await cluster.kubectl(['get', 'nodes', '-o', 'json'])) as {
      items: {
        status: {
          conditions: { type: string; status: string }[]
          nodeInfo: { kubeletVersion: string; containerRuntimeVersion: string }
        }
      }[]
    }
    assert.equal(items.length, cluster.nodes.length)
    for (const { status } of items) {
      assert.equal(status.conditions.find(({ type }) => type === 'Ready')?.status, 'True')
      assert.match(status.nodeInfo.kubeletVersion, /^v1\.37\./)
      assert.match(status.nodeInfo.containerRuntimeVersion, /^containerd:\/\/v?2\.3\./)
    }
  })

  test('a pod runs on each node, and exec enters it', async () => {
    for (const { name } of cluster.nodes) {
      await create(pod(`on-${name}`, name))
      await cluster.kubectl(['wait', '--for=condition=Ready', `pod/on-${name}`, '--timeout=60s'])
      assert.match(await cluster.kubectl(['exec', `on-${name}`, '--', 'id', '-u']), /^0\n$/)
    }
  })

  test('a token for trow that is bound to a pod passes a review, and tells pod and node', async () => {
    const bound = ['--bound-object-kind=Pod', '--bound-object-name=on-n1']
    const token = await cluster.kubectl(['create', 'token', 'default', '--audience=trow', ...bound])
    const review = (audience: string): Promise<Review> =>
      create<Review>({
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token: token.trim(), audiences: [audience] },
      })
    const { status } = await review('trow')
    assert.equal(status.authenticated, true)
    assert.deepEqual(status.audiences, ['trow'])
    assert.equal(status.user?.username, 'system:serviceaccount:default:default')
    assert.deepEqual(status.user?.extra?.['authentication.kubernetes.io/pod-name'], ['on-n1'])
    assert.deepEqual(status.user?.extra?.['authentication.kubernetes.io/node-name'], ['n1'])
    assert.notEqual((await review('another')).status.authenticated, true)
  })

  test('a role allows what a review of access denied before', async () => {
    const subject = { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'ada' }
    const allowed = async (): Promise<boolean | undefined> => {
      const resourceAttributes = {
        namespace: 'default',
        group: 'registry.trow.io',
        resource: 'repositories',
        verb: 'push',
      }
      const { status } = await create<Review>({
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: { user: subject.name, resourceAttributes },
      })
      return status.allowed
    }
    assert.equal(await allowed(), false)
    const rbac = 'rbac.authorization.k8s.io'
    const rules = [{ apiGroups: ['registry.trow.io'], resources: ['repositories'], verbs: ['push'] }]
    await create({ apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { name: 'pushers' }, rules })
    await create({
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name: 'pushers' },
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'pushers' },
      subjects: [subject],
    })
    await eventuallyTrue(allowed)
    await cluster.kubectl(['delete', 'role/pushers', 'rolebinding/pushers'])
  })

  test('a client certificate and a token are who they say', async () => {
    const whoAmI = async (kubeconfig: string): Promise<string> =>
      cluster.kubectl(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username}'], { kubeconfig })
    assert.equal(await whoAmI(await cluster.clientKubeconfig({ user: 'ada', groups: ['team, a'] })), 'ada')
    const token = (await cluster.kubectl(['create', 'token', 'default'])).trim()
    assert.equal(await whoAmI(cluster.tokenKubeconfig(token)), 'system:serviceaccount:default:default')
  })

  test('relays lead out of the network and into it', async (t) => {
    const { port, close } = await cluster.relay()
    const request = get(`https://127.0.0.1:${port}/version`, {
      ca: readFileSync(cluster.caFile),
      agent: false,
    })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    assert.equal(response.statusCode, 200)
    response.resume()
    await once(response, 'end')
    await close()

    const server = createServer((_, response) => response.end('from outside')).listen(0, '127.0.0.1')
    t.after(() => server.close())
    await once(server, 'listening')
    const inner = await cluster.relayInto(0, (server.address() as AddressInfo).port)
    const url = `http://172.30.0.2:${inner.port}/`
    assert.equal(await cluster.nodes[1]?.enter('busybox', ['wget', '-qO-', url]), 'from outside')
    await inner.close()
  })

  test('trow serves the nodes, and this process through a relay', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'trow-cluster-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const server = await cluster.serve({ data: join(folder, 'data'), args: ['--plain-http'] })
    const { hostname, port } = new URL(server.url)
    assert.equal(hostname, '172.30.0.2')
    assert.equal(await cluster.nodes[1]?.enter('busybox', ['wget', '-qO-', `${server.url}/v2/`]), '{}')
    const relay = await cluster.relay(hostname, Number(port))
    assert.equal((await fetch(`http://127.0.0.1:${relay.port}/v2/`)).status, 200)
    await relay.close()
    await server.stop()
  })

  test('an API server that is away comes back', async () => {
    for (const how of ['killed', 'frozen'] as const) {
      await cluster.stopApiServer(how)
      await assert.rejects(cluster.kubectl(['get', 'nodes', '--request-timeout=2s']), ProgramError)
      await cluster.startApiServer()
      assert.match(await cluster.kubectl(['get', 'nodes']), /n1 /)
    }
  })

  test('a node joins late, knows the images, and its pods reach those of others', async () => {
    const node = await cluster.addNode()
    await create(pod('late', node.name))
    await cluster.kubectl(['wait', '--for=condition=Ready', 'pod/late', '--timeout=60s'])
    const address = await cluster.kubectl(['get', 'pod', 'on-n1', '-o', 'jsonpath={.status.podIP}'])
    await cluster.kubectl(['exec', 'on-n1', '--', 'httpd', '-p', '8080', '-h', '/'])
    const read = ['wget', '-qO-', `http://${address}:8080/etc/hostname`]
    assert.equal(await cluster.kubectl(['exec', 'late', '--', ...read]), 'on-n1\n')
  })

  test('what is on this machine of it is seen, so that its removal can be', () => {
    const found = leftovers().join('\n')
    for (const kind of ['process', 'mount', 'network namespace', 'control group', 'folder'])
      assert.match(found, new RegExp(`^${kind} `, 'm'))
  })
})

function pod(name: string, node: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image: 'trow.test/busybox:1' }],
    },
  }
}

async function eventuallyTrue(condition: () => Promise<boolean | undefined>): Promise<void> {
  await eventually(async () => assert.equal(await condition(), true), 10_000)
}

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openCri, type Cri } from '../../src/agent/cri.ts'
import { makeAuthority } from '../../src/certificates/certificate-authority.ts'
import { AgentFixture, imageHost, treeOf, type AgentProcess } from './agent-fixture.ts'
import { Cluster } from './cluster.ts'
import type { ClusterNode } from './node.ts'
import { clusterProblem } from './requirements.ts'

suite('the agent of a node', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  let fixture: AgentFixture
  let nodes: readonly [ClusterNode, ClusterNode]
  let before1: Readonly<Record<string, string>>
  let before2: Readonly<Record<string, string>>
  let second: AgentProcess
  before(async () => {
    cluster = await Cluster.open()
    const [first, other] = cluster.nodes
    assert.ok(first && other)
    nodes = [first, other]
    before1 = treeOf(first)
    before2 = treeOf(other)
    fixture = await AgentFixture.start(cluster)
  })
  after(async () => {
    await fixture?.close()
    await cluster.close()
  })

  test('CRI: the runtime says who it is, what it has, and why a pull failed', async () => {
    const cri = await criOf(nodes[0])
    try {
      const { name, version } = await cri.version()
      assert.equal(name, 'containerd')
      assert.match(version, /^v?2\.\d+\.\d+/)
      assert.ok((await cri.status()).some(({ type, status }) => type === 'RuntimeReady' && status))
      const image = await cri.imageStatus('trow.test/busybox:1')
      assert.ok(image?.references.includes('trow.test/busybox:1') && image.pinned)
      assert.equal(await cri.imageStatus('trow.test/absent:1'), undefined)
      await cri.removeImage('trow.test/absent:1')
      await assert.rejects(cri.pullImage('127.0.0.1:1/absent:1', 30_000), /connection refused/)
    } finally {
      cri.close()
    }
  })

  test('containerd of both nodes pulls by what the agents write, as their kubelets', async (context) => {
    await fixture.putDesiredState()
    const agents = [await fixture.startAgent(nodes[0]), (second = await fixture.startAgent(nodes[1]))]
    for (const node of nodes) {
      const report = await fixture.reported(node, ({ phase }) => phase === 'ready')
      const agent = agents[node.index - 1]
      const passed = Date.parse(report.canary?.time ?? '') - (agent?.started ?? 0)
      context.diagnostic(
        `${node.name}: canary begun ${passed} ms after the start, pulled in ${report.canary?.milliseconds} ms; ${agent?.memory()}`,
      )
      assert.deepEqual(report.generation, { written: 1, effective: 1 })
      assert.equal(report.class, 'direct')
      assert.equal(report.identity.kind, 'kubelet')
      assert.deepEqual(report.proxy, { listening: true, endpoints: [`172.30.0.2:${fixture.port}`] })
      assert.deepEqual(report.problems, [])
      assert.equal(report.canary?.image, `${imageHost}/${fixture.canary}`)
      const hosts = readFileSync(join(certsOf(node), imageHost, 'hosts.toml'), 'utf8')
      assert.match(hosts, /127\.0\.0\.1:29543/)
      assert.ok(hosts.indexOf('127.0.0.1:29543') < hosts.lastIndexOf(fixture.clusterIp))
      const cri = await criOf(node)
      assert.ok(await cri.imageStatus(`${imageHost}/${fixture.canary}`))
      cri.close()
    }
  })

  test('the other spelling of the host works as well', async () => {
    const cri = await criOf(nodes[1])
    try {
      const image = `${imageHost}:443/${fixture.canary}`
      await cri.pullImage(image, 30_000)
      await cri.removeImage(image)
    } finally {
      cri.close()
    }
  })

  test('a pull that finds no registry is held until there is one', async () => {
    await fixture.setEndpoints(false)
    const [node] = nodes
    await fixture.reported(node, ({ proxy }) => proxy.endpoints.length === 0)
    const cri = await criOf(node)
    try {
      const image = `${imageHost}/${fixture.canary}`
      await cri.removeImage(image)
      const pulled = cri.pullImage(image, 60_000)
      await new Promise((resolve) => setTimeout(resolve, 1500))
      await fixture.setEndpoints(true)
      await pulled
    } finally {
      cri.close()
    }
  })

  test('another CA beside ours is written and proved; one that is not ours is a problem with a hint', async () => {
    const other = await makeAuthority([imageHost], [], crypto as Crypto)
    await fixture.putDesiredState({ generation: 2 }, fixture.ca + other.cert)
    for (const node of nodes) {
      const { phase } = await fixture.reported(node, ({ generation }) => generation.effective === 2)
      assert.equal(phase, 'ready')
    }
    await fixture.putDesiredState({ generation: 3 }, other.cert)
    for (const node of nodes) {
      const { generation, problems, canary } = await fixture.reported(
        node,
        ({ phase }) => phase === 'problem',
      )
      assert.deepEqual(generation, { written: 3, effective: 2 })
      assert.equal(canary?.ok, false)
      const [problem] = problems
      assert.equal(problem?.code, 'PULL_CERTIFICATE_UNTRUSTED')
      assert.match(problem.file ?? '', /\/etc\/containerd\/certs\.d\/trow\.agent-test\.svc\/ca\.crt/)
      assert.match(problem.hint ?? '', new RegExp(`On node ${node.name}: .*journalctl -u containerd`))
    }
    await fixture.putDesiredState({ generation: 4 })
    for (const node of nodes) await fixture.reported(node, ({ generation }) => generation.effective === 4)
  })

  test('settings that cannot be followed change nothing and are reported', async () => {
    await fixture.tellText('{"version":1,"mode":"remove everything"}', fixture.ca)
    const { problems, phase } = await fixture.reported(nodes[1], (report) => report.problems.length > 0)
    assert.equal(problems[0]?.code, 'SETTINGS_INVALID')
    assert.match(problems[0].message, /mode/)
    assert.equal(phase, 'ready')
    await fixture.putDesiredState({ generation: 4 })
    await fixture.reported(nodes[1], (report) => report.problems.length === 0)
  })

  test('an agent that is killed leaves the node pulling, and another one goes on', async () => {
    await second.kill()
    const cri = await criOf(nodes[1])
    const image = `${imageHost}/${fixture.canary}`
    await cri.removeImage(image)
    await cri.pullImage(image, 30_000)
    cri.close()
  })

  test('a node without a certificate of the kubelet gets one of the registry', async () => {
    await fixture.putDesiredState({ generation: 4, issueCertificates: true })
    second = await fixture.startAgent(nodes[1], { hide: '/var/lib/kubelet/pki' })
    const report = await fixture.reported(
      nodes[1],
      ({ identity, canary, phase }) => identity.kind === 'issued' && canary?.ok === true && phase === 'ready',
    )
    assert.equal(report.identity.file, '/var/lib/trow-node/node-client.pem')
    const days = (Date.parse(report.identity.notAfter ?? '') - Date.now()) / 86_400_000
    assert.ok(days > 6.9, `${days} days`)
    const pem = readFileSync('/var/lib/trow-node/node-client.pem', 'utf8')
    assert.equal(new X509Certificate(pem).subject, 'O=system:nodes\nCN=system:node:n2')
    assert.match(readFileSync(join(certsOf(nodes[1]), imageHost, 'hosts.toml'), 'utf8'), /node-client\.pem/)
  })

  test('undo leaves both nodes as they were, and says so', async () => {
    await fixture.putDesiredState({ generation: 4, mode: 'undo', issueCertificates: true })
    for (const node of nodes) {
      const report = await fixture.reported(node, ({ phase }) => phase === 'undone')
      assert.deepEqual(report.problems, [])
      assert.equal(report.proxy.listening, false)
      const cri = await criOf(node)
      assert.equal(await cri.imageStatus(`${imageHost}/${fixture.canary}`), undefined)
      cri.close()
    }
    assert.deepEqual(treeOf(nodes[0]), before1)
    assert.deepEqual(treeOf(nodes[1]), before2)
    assert.equal(existsSync('/var/lib/trow-node'), '/var/lib/trow-node' in before1)
    assert.equal(await second.stop(), 0)
  })

  async function criOf(node: ClusterNode): Promise<Cri> {
    return openCri(join(node.outside('/run/containerd'), 'containerd.sock'))
  }

  function certsOf(node: ClusterNode): string {
    return node.outside('/etc/containerd/certs.d')
  }
})

import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { before, beforeEach, suite, test } from 'node:test'
import { issueLeaf, makeAuthority, type Authority } from '../../src/certificates/certificate-authority.ts'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import { layoutOf } from '../../src/cluster/layout.ts'
import type { Check } from '../../src/cluster/check.ts'
import type { RegistryAnswer } from '../../src/status/registry-probe.ts'
import { colorsOf } from '../../src/cli/display.ts'
import { lookAtInstall, type Status } from '../../src/status/status.ts'
import { isHealthy, printStatus } from '../../src/cli/status/print-status.ts'
import { PassThrough } from 'node:stream'
import { FakeObjects } from '../support/fake-objects.ts'
import { nodeObject, reportObject, windowsNode } from '../support/node-objects.ts'

const crypto = webcrypto as Crypto
const base64 = (text: string): string => Buffer.from(text).toString('base64')

suite('status', () => {
  let objects: FakeObjects
  let authority: Authority
  let leaf: string
  let answer: Partial<RegistryAnswer> | Error
  const now = Date.now()

  const labelled = (component: string): object => ({
    'app.kubernetes.io/part-of': 'trow',
    'app.kubernetes.io/component': component,
  })
  const pod = (name: string, namespace: string, node: string, status: object = ready): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: labelled(namespace === 'trow' ? 'registry' : 'node') },
    spec: { nodeName: node },
    status,
  })
  const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
  const configMap = (name: string, namespace: string, data: object): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace },
    data,
  })
  const look = (): Promise<Status> =>
    lookAtInstall({
      objects,
      layout: layoutOf('trow'),
      now: () => now,
      probe: {
        ask: () =>
          answer instanceof Error
            ? Promise.reject(answer)
            : Promise.resolve({
                chain: leaf,
                untrusted: undefined,
                reads: { ok: true },
                writes: { ok: true },
                ...answer,
              }),
      },
    })
  const faults = ({ categories }: Status): Check[] =>
    categories.flatMap(({ checks }) => checks.filter(({ result }) => result !== 'success'))

  before(async () => {
    authority = await makeAuthority(['trow.trow.svc'], [], crypto)
    leaf = (await issueLeaf(authority, { names: ['trow.trow.svc'], life: 90 * 86_400_000 }, crypto)).cert
  })
  beforeEach(() => {
    answer = {}
    objects = new FakeObjects()
    objects.put(
      configMap('trow-install', 'trow', { version: '0.1.0', 'settings.json': '{}' }),
      { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'trow', namespace: 'trow' } },
      pod('trow-0', 'trow', 'n1'),
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'trow-1', namespace: 'trow', labels: { 'kubernetes.io/service-name': 'trow' } },
        endpoints: [{ conditions: { serving: true } }],
      },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'trow-ca', namespace: 'trow' },
        data: { 'ca.crt': base64(authority.cert) },
      },
      configMap('trow-ca', 'trow', { 'ca.crt': authority.cert, generation: '1' }),
      configMap('trow-node', 'trow-node', { 'ca.crt': authority.cert, 'settings.json': '{"generation":1}' }),
      { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'trow-node', namespace: 'trow-node' } },
      ...['n1', 'n2'].flatMap((name) => [
        nodeObject(name),
        pod(`trow-node-${name}`, 'trow-node', name),
        reportObject(name, now - 5000),
      ]),
    )
  })

  test('a healthy cluster', async () => {
    const status = await look()
    assert.deepEqual(faults(status), [])
    assert.ok(isHealthy(status))
    const printed = printStatus(status, {
      colors: colorsOf(new PassThrough(), {}),
      short: false,
      context: 'here',
    })
    assert.match(printed, /^n1 +healthy +containerd 2\.3\.7 +direct +1 +kubelet +5 s ago$/m)
    assert.match(printed, /trow push/)
  })

  test('nothing installed', async () => {
    objects = new FakeObjects()
    const status = await look()
    assert.equal(status.installed, undefined)
    assert.ok(!isHealthy(status))
    assert.match(faults(status)[0]?.hint ?? '', /trow install/)
  })

  test('a pod that cannot pull its image: in the words of the kubelet', async () => {
    objects.put(
      pod('trow-0', 'trow', 'n1', {
        phase: 'Pending',
        containerStatuses: [
          {
            name: 'trow',
            ready: false,
            restartCount: 0,
            state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "x"' } },
          },
        ],
      }),
    )
    const [fault] = faults(await look())
    assert.match(fault?.error ?? '', /ImagePullBackOff: Back-off pulling image "x"/)
    assert.match(fault?.hint ?? '', /kubectl describe pod -n trow trow-0/)
  })

  test('an agent that is silent is unknown, never healthy', async () => {
    objects.put(reportObject('n2', now - 130_000))
    const status = await look()
    const [fault] = faults(status)
    assert.equal(fault?.result, 'unknown')
    assert.match(fault?.error ?? '', /silent for 2 min/)
    assert.match(fault?.hint ?? '', /spec\.nodeName=n2/)
    assert.ok(!isHealthy(status))
  })

  test('a node with a file of somebody else: names node, file and what to do', async () => {
    const file = '/etc/containerd/certs.d/trow.trow.svc/hosts.toml'
    objects.put(
      reportObject('n1', now, {
        phase: 'problem',
        problems: [
          { code: 'FILE_NOT_OURS', message: 'it is not ours', hint: 'Move it away.', file, fatal: true },
        ],
      }),
    )
    const [fault] = faults(await look())
    assert.equal(fault?.error, `${file}: it is not ours`)
    assert.equal(fault?.hint, 'node n1: Move it away.')
  })

  test('a node whose kubelet is still to be restarted is healthy, with a warning that says so', async () => {
    objects.put(
      reportObject('n1', now, {
        problems: [{ code: 'PULL_IDENTITY_RESTART', message: 'not yet', hint: 'Restart it.', fatal: false }],
      }),
    )
    const status = await look()
    assert.ok(isHealthy(status))
    const [check] = status.categories.find(({ categoryName }) => categoryName === 'nodes')?.checks ?? []
    assert.deepEqual(check, {
      description: 'node n1 pulls as the service accounts of its pods',
      result: 'warning',
      error: 'not yet',
      hint: 'node n1: Restart it.',
    })
  })

  test('a node that has not pulled with the CA of now', async () => {
    objects.put(
      configMap('trow-ca', 'trow', { 'ca.crt': authority.cert, generation: '2' }),
      configMap('trow-node', 'trow-node', { 'ca.crt': authority.cert, 'settings.json': '{"generation":2}' }),
    )
    const status = await look()
    assert.deepEqual(
      faults(status).map(({ error }) => error),
      Array.from({ length: 2 }, () => 'it has pulled with generation 1 of the CA, not yet with 2'),
    )
    assert.equal(status.nodes[0]?.trust, '1 of 2')
  })

  test('a failed pull, with its error', async () => {
    const canary = {
      time: new Date(now).toISOString(),
      image: 'x',
      ok: false,
      milliseconds: 3,
      error: 'x509: …',
    }
    objects.put(reportObject('n1', now, { phase: 'problem', canary }))
    assert.match(faults(await look())[0]?.error ?? '', /the pull of x failed: x509/)
  })

  test('agents that were told another bundle, and a registry whose certificate it does not vouch for', async () => {
    answer = { untrusted: 'self-signed certificate in certificate chain' }
    objects.put(configMap('trow-node', 'trow-node', { 'ca.crt': 'old', 'settings.json': '{"generation":1}' }))
    const found = faults(await look()).map(({ description, error }) => `${description}: ${error}`)
    assert.deepEqual(found, [
      'the agents were told generation 1: they were told other CAs under that number',
      "the registry's certificate is of that CA: self-signed certificate in certificate chain",
    ])
  })

  test('a registry that does not answer, or takes no pushes', async () => {
    answer = new Error('pods/portforward is forbidden')
    assert.equal(faults(await look())[0]?.result, 'unknown')
    answer = { writes: { ok: false, reason: 'the disk is full up to the reserve' } }
    assert.equal(faults(await look())[0]?.error, 'the disk is full up to the reserve')
  })

  test('a node without an agent, and one without a report', async () => {
    objects.put(nodeObject('n3'))
    const status = await look()
    assert.deepEqual(
      faults(status).map(({ description, result }) => `${result} ${description}`),
      ['error an agent runs on node n3', 'unknown node n3 pulls'],
    )
  })

  test('nodes that no agent is meant for are left alone, and keep nothing from being healthy', async () => {
    const fargate = nodeObject('f1') as { metadata: object }
    Object.assign(fargate.metadata, { labels: { 'eks.amazonaws.com/compute-type': 'fargate' } })
    objects.put(windowsNode('w1'), fargate)
    const status = await look()
    assert.deepEqual(faults(status), [])
    assert.ok(isHealthy(status))
    assert.deepEqual(status.nodes.map(({ node }) => node), ['n1', 'n2']) // prettier-ignore
    const said = status.categories.flatMap(({ checks }) => checks.map(({ description }) => description))
    assert.ok(said.includes('node w1 (windows/amd64) is left alone: no agent is meant for it'))
  })

  test('what may not be read is told apart, and is no evidence of health', async () => {
    objects.fault = (_, kind) => {
      if (kind === 'Secret') throw new ClusterFault('forbidden', 'secrets is forbidden')
    }
    const status = await look()
    assert.deepEqual(status.unseen, ['Secret trow-ca: secrets is forbidden'])
    assert.ok(!isHealthy(status))
    objects.fault = () => {
      throw new ClusterFault('unreachable', 'no answer')
    }
    await assert.rejects(look(), ClusterFault)
  })
})

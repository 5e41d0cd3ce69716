import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { before, beforeEach, suite, test } from 'node:test'
import {
  issueLeaf,
  makeAuthority,
  type CertificateAuthority,
} from '../../src/certificates/certificate-authority.ts'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import type { NodeReport } from '../../src/cluster/node-report.ts'
import type { RegistryAnswer } from '../../src/status/registry-probe.ts'
import { lookOf } from '../../src/cli/table.ts'
import type { Status } from '../../src/status/status.ts'
import { resultVersion } from '../../src/cli/result/result-version.ts'
import { isHealthy, printStatus, statusResult } from '../../src/cli/status/print-status.ts'
import { PassThrough } from 'node:stream'
import { checkResult } from '../support/check-result.ts'
import { FakeObjects } from '../support/fake-objects.ts'
import { nodeObject, reportObject, windowsNode } from '../support/node-objects.ts'
import { binds, configMap, installedObjects, faults, lookAt, podObject as pod } from './installed-cluster.ts'

const crypto = webcrypto as Crypto

suite('status', () => {
  let objects: FakeObjects
  let authority: CertificateAuthority
  let leaf: string
  let answer: Partial<RegistryAnswer> | Error
  const now = Date.now()

  const look = (): Promise<Status> => lookAt(objects, { now, leaf, answer })
  before(async () => {
    authority = await makeAuthority(['trow.trow.svc'], [], crypto)
    leaf = (await issueLeaf(authority, { names: ['trow.trow.svc'], life: 90 * 86_400_000 }, crypto)).cert
  })
  beforeEach(() => {
    answer = {}
    objects = new FakeObjects()
    objects.put(...installedObjects(authority, now))
  })

  test('a healthy cluster', async () => {
    const status = await look()
    assert.deepEqual(faults(status), [])
    assert.ok(isHealthy(status))
    const printed = printStatus(status, {
      look: lookOf(new PassThrough(), {}),
      short: false,
      context: 'here',
    })
    assert.match(printed, /^n1 +healthy +containerd 2\.3\.7 +direct +1 +kubelet +5 s ago$/m)
    assert.match(printed, /trow push/)
  })

  test('agents whose accounts are not bound to their nodes', async () => {
    const policy = 'ValidatingAdmissionPolicy trow-node, or its binding, is missing or denies nothing'
    for (const spec of [{ policyName: 'other', validationActions: ['Deny'] }, { policyName: 'trow-node' }]) {
      objects.put(binds('ValidatingAdmissionPolicyBinding', spec))
      const status = await look()
      assert.deepEqual(
        faults(status).map(({ error }) => error),
        [policy],
      )
      assert.ok(!isHealthy(status))
    }
    objects.version = async () => ({ gitVersion: 'v1.29.4', clock: undefined })
    objects.fault = (_verb, kind) => {
      if (kind === 'ValidatingAdmissionPolicy')
        throw new ClusterFault('refused', 'no such kind', { status: 404 })
    }
    objects.get = async (reference) =>
      reference.kind.startsWith('ValidatingAdmission')
        ? undefined
        : FakeObjects.prototype.get.call(objects, reference)
    const old = await look()
    const [check, ...others] = faults(old)
    assert.deepEqual(others, [])
    assert.equal(check?.result, 'warning')
    assert.match(
      check.error ?? '',
      /serves no ValidatingAdmissionPolicy .* do not name their node in v1\.29\.4/,
    )
    assert.ok(isHealthy(old))
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
      node: 'n1',
    })
  })

  test('a node that has not pulled with the CA of now', async () => {
    objects.put(
      configMap('trow-ca', 'trow', { 'ca.crt': authority.cert, generation: '2' }),
      configMap('trow-orders', 'trow', { 'ca.crt': authority.cert, 'settings.json': '{"generation":2}' }),
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
    objects.put(configMap('trow-orders', 'trow', { 'ca.crt': 'old', 'settings.json': '{"generation":1}' }))
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

  const slice = (uid: string, serving = true): object => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'trow-1', namespace: 'trow', labels: { 'kubernetes.io/service-name': 'trow' } },
    endpoints: [{ addresses: ['10.88.1.2'], conditions: { serving }, targetRef: { uid } }],
  })
  const pulled = (changes: object = {}): { canary: NonNullable<NodeReport['canary']> } => ({
    canary: { time: new Date(now - 5000).toISOString(), image: 'x', ok: true, milliseconds: 3, ...changes },
  })

  test('a pull of before the pod of now is no evidence: it may have other data, at the same address too', async () => {
    for (const node of ['n1', 'n2']) objects.put(reportObject(node, now, pulled({ registry: ['pod-1'] })))
    assert.ok(isHealthy(await look()))
    objects.put(slice('pod-2'))
    const status = await look()
    assert.ok(!isHealthy(status))
    assert.deepEqual(
      faults(status).map(({ result, error }) => `${result}: ${error}`),
      Array.from({ length: 2 }, () => "unknown: it has not pulled since the registry's pod was replaced"),
    )
    for (const node of ['n1', 'n2']) objects.put(reportObject(node, now, pulled({ registry: ['pod-2'] })))
    assert.ok(isHealthy(await look()))
  })

  test('a pull that is older than the agents’ pace is no evidence, however fresh the report', async () => {
    objects.put(reportObject('n1', now, pulled({ time: new Date(now - 14 * 60_000).toISOString() })))
    assert.ok(isHealthy(await look()))
    objects.put(reportObject('n1', now, pulled({ time: new Date(now - 16 * 60_000).toISOString() })))
    const [fault, ...others] = faults(await look())
    assert.deepEqual([fault?.result, others.length], ['unknown', 0])
    assert.match(fault?.error ?? '', /its last pull was 16 min before its last report/)
  })

  for (const [kind, name, namespace, words] of [
    ['Secret', 'trow-ca', 'trow', 'Secret trow-ca is missing'],
    ['ConfigMap', 'trow-config', 'trow', 'ConfigMap trow-config is missing'],
    ['ServiceAccount', 'trow', 'trow', 'ServiceAccount trow is missing'],
    ['ServiceAccount', 'trow-node', 'trow-node', 'ServiceAccount trow-node of the agents is missing'],
  ] as const)
    test(`${words}: what runs goes on, and the next start does not`, async () => {
      await objects.delete({ apiVersion: 'v1', kind, name, namespace })
      const status = await look()
      assert.ok(!isHealthy(status))
      const [fault, ...others] = faults(status)
      assert.deepEqual(others, [])
      assert.equal(fault?.error?.split(':')[0], words)
      assert.match(fault?.hint ?? '', /trow install again/)
      // A user without the right to read it sees only that it is hidden.
      objects.fault = (_, asked, of) => {
        if (asked === kind && of === name) throw new ClusterFault('forbidden', 'forbidden')
      }
      const blind = await look()
      assert.deepEqual([faults(blind), blind.unseen], [[], [`${kind} ${name}: forbidden`]])
    })

  test('nothing that may not be read is called missing', async () => {
    for (const kind of [
      'StatefulSet',
      'DaemonSet',
      'ConfigMap',
      'Pod',
      'EndpointSlice',
      'Node',
      'PersistentVolumeClaim',
    ]) {
      objects.fault = (_, asked) => {
        if (asked === kind) throw new ClusterFault('forbidden', 'forbidden')
      }
      const status = await look()
      assert.deepEqual(faults(status), [], kind)
      assert.ok(status.unseen.length > 0 && !isHealthy(status), kind)
    }
  })

  test('a loopback port that is taken: the node pulls, and not as it is meant to', async () => {
    const message = '127.0.0.1:29443 of node n1 cannot be listened on: EADDRINUSE'
    const problem = { code: 'LOOPBACK_PORT_TAKEN', message, hint: 'On node n1: ss -ltnp', fatal: false }
    objects.put(reportObject('n1', now, { problems: [problem], proxy: { listening: false, endpoints: [] } }))
    const status = await look()
    assert.deepEqual(faults(status), [
      {
        description: 'node n1 pulls as it is meant to',
        result: 'warning',
        error: message,
        hint: 'On node n1: ss -ltnp',
        node: 'n1',
      },
    ])
    assert.ok(isHealthy(status))
  })

  test('a registry that is Terminating on a dead node: that no other is made, and what to do', async () => {
    const dying = pod('trow-0', 'trow', 'n1') as { metadata: object }
    objects.put({ ...dying, metadata: { ...dying.metadata, deletionTimestamp: '2026-11-24T12:00:00Z' } })
    objects.put(nodeObject('n1', false))
    const [fault] = faults(await look())
    assert.match(
      fault?.error ?? '',
      /node n1 is not Ready: the pod is to go since .*stays Terminating; no other is made/,
    )
    assert.match(fault?.hint ?? '', /kubectl delete pod -n trow trow-0 --force/)
    await objects.delete({ apiVersion: 'v1', kind: 'Node', name: 'n1' })
    assert.match(faults(await look())[0]?.error ?? '', /node n1 is not there any more/)
  })

  test('a lost ConfigMap trow-install: what is lost, and not that nothing is installed', async () => {
    await objects.delete({ apiVersion: 'v1', kind: 'ConfigMap', name: 'trow-install', namespace: 'trow' })
    const status = await look()
    assert.equal(status.installed?.version, '0.1.0')
    const [fault, ...others] = faults(status)
    assert.deepEqual(others, [])
    assert.match(fault?.error ?? '', /ConfigMap trow-install is missing in trow; what runs goes on/)
    assert.match(fault?.hint ?? '', /trow install again with the options of the last one/)
  })

  test('nodes that are left alone on purpose are no fault', async () => {
    objects.put(
      configMap('trow-install', 'trow', { version: '0.1.0', 'settings.json': '{"trustNodes":false}' }),
    )
    for (const [kind, name] of [
      ['DaemonSet', 'trow-node'],
      ['ConfigMap', 'trow-node'],
      ['ServiceAccount', 'trow-node'],
    ] as const)
      await objects.delete({ apiVersion: 'v1', kind, name, namespace: 'trow-node' })
    const status = await look()
    assert.deepEqual(faults(status), [])
    assert.ok(isHealthy(status))
  })

  test('an agent that is Pending is one: in the words of the scheduler', async () => {
    const waiting = {
      phase: 'Pending',
      conditions: [
        { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'Insufficient cpu' },
      ],
    }
    const matchFields = [{ key: 'metadata.name', operator: 'In', values: ['n2'] }]
    const nodeAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] },
    }
    objects.put({ ...pod('trow-node-n2', 'trow-node', 'n2', waiting), spec: { affinity: { nodeAffinity } } })
    const [fault, ...others] = faults(await look())
    assert.deepEqual(others, [])
    assert.equal(fault?.description, 'pod trow-node-n2 on node n2 is ready')
    assert.equal(fault.error, 'Unschedulable: Insufficient cpu')
  })

  test('300 nodes with one fault: a person reads it once, a machine 300 times', async () => {
    const back = { phase: 'Pending', containerStatuses: [{ name: 'trow', ready: false, restartCount: 0, state: { waiting: { reason: 'ImagePullBackOff', message: 'Back-off' } } }] } // prettier-ignore
    const problem = { code: 'X', message: 'config_path is not set', hint: 'Set it.', fatal: true }
    for (let index = 0; index < 300; index++) {
      const name = `node-${index}`
      objects.put(nodeObject(name), pod(`trow-node-${index}abc`, 'trow-node', name, back))
      objects.put(reportObject(name, now - index, { phase: 'problem', problems: [problem] }))
    }
    let asked = 0
    objects.fault = (verb, kind) => {
      if ((verb === 'list' && kind === 'Event') || verb === 'log') asked++
    }
    const status = await look()
    for (const short of [false, true]) {
      const printed = printStatus(status, { look: lookOf(new PassThrough(), {}), short, context: 'here' })
      const lines = printed.trim().split('\n')
      assert.ok(lines.length < 70, `${lines.length} lines`)
      assert.match(
        printed,
        /× node node-0 pulls\n +config_path is not set\n.*\n +so too: node-1, node-2, node-3 and 296 more/,
      )
      assert.match(printed, /ImagePullBackOff: Back-off\n.*\n +so too: node-1, node-2, node-3 and 296 more/)
      if (!short) assert.match(printed, /^and 282 more, 2 of them healthy; -o json shows every node$/m)
    }
    assert.ok(asked <= 10, `${asked} events and logs`)
    const whole = { apiVersion: resultVersion, kind: 'Status', ...statusResult(status, undefined) }
    const json = checkResult('Status', JSON.stringify(whole))
    assert.equal(json.nodes.length, 302)
    assert.equal(json.categories.at(-1)?.checks.length, 302)
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

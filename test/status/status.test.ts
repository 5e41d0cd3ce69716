import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { before, beforeEach, suite, test } from 'node:test'
import {
  issueLeaf,
  makeAuthority,
  type CertificateAuthority,
} from '../../src/certificates/certificate-authority.ts'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import type { Check } from '../../src/cluster/check.ts'
import type { NodeReport } from '../../src/cluster/node-report.ts'
import type { RegistryAnswer } from '../../src/status/registry-probe.ts'
import { lookOf } from '../../src/cli/table.ts'
import type { Status } from '../../src/status/status.ts'
import { resultVersion } from '../../src/cli/result/result-version.ts'
import { isHealthy, printStatus, statusResult } from '../../src/cli/status/print-status.ts'
import { PassThrough } from 'node:stream'
import { hashOfObjects } from '../../src/policy-store/policies-hash.ts'
import { checkResult } from '../support/check-result.ts'
import { FakeObjects } from '../support/fake-objects.ts'
import { nodeObject, reportObject, windowsNode } from '../support/node-objects.ts'
import {
  binds,
  configMap,
  installedObjects,
  labelled,
  lookAt,
  podObject as pod,
  ready,
} from './installed-cluster.ts'

const crypto = webcrypto as Crypto
const webhooksReference = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  name: 'trow',
}
const base64 = (text: string): string => Buffer.from(text).toString('base64')

suite('status', () => {
  let objects: FakeObjects
  let authority: CertificateAuthority
  let leaf: string
  let answer: Partial<RegistryAnswer> | Error
  const now = Date.now()

  const look = (): Promise<Status> => lookAt(objects, { now, leaf, answer })
  const faults = ({ categories }: Status): Check[] =>
    categories.flatMap(({ checks }) => checks.filter(({ result }) => result !== 'success'))

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

  suite('policies', () => {
    const definition = (plural: string): object => ({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.policy.trow.io` },
    })
    const policy = (
      name: string,
      { age = 60_000, ...status }: Record<string, unknown> & { age?: number },
    ): object => ({
      apiVersion: 'policy.trow.io/v1alpha1',
      kind: 'TrowPolicy',
      metadata: { name, generation: 2, creationTimestamp: new Date(now - age).toISOString() },
      spec: {},
      status,
    })
    const condition = (type: string, status: string, message = ''): object => ({
      type,
      status,
      message,
      reason: 'Any',
      lastTransitionTime: '2026-11-24T12:00:00Z',
      observedGeneration: 2,
    })
    const good = {
      observedGeneration: 2,
      conditions: [condition('Accepted', 'True'), condition('Enforcing', 'True')],
    }
    const lines = ({ categories }: Status): string[] =>
      categories
        .filter(({ categoryName }) => categoryName === 'policies')
        .flatMap(({ checks }) => checks.map(({ description, error = '' }) => `${description}|${error}`))
    beforeEach(() => {
      objects.put(
        configMap('trow-config', 'trow', { 'trow.yaml': 'policy-cluster: true\n' }),
        definition('trowpolicies'),
        definition('trowexceptions'),
      )
    })

    test('are none of a registry that does not follow them', async () => {
      objects.put(configMap('trow-config', 'trow', { 'trow.yaml': '' }))
      assert.deepEqual(lines(await look()), [])
    })

    test('are counted', async () => {
      assert.deepEqual(lines(await look()), ['there is no policy: every image is allowed|'])
      objects.put(policy('a', good), policy('b', good))
      const all = 'the registry judges by the policies as they are written'
      assert.deepEqual(lines(await look()), [`${all} (2 TrowPolicies, 0 TrowExceptions)|`])
    })

    test('that do not load are named, with what is in force', async () => {
      const message = 'spec.rules[0].scope: SCOPE_SHORT: nginx has no host'
      const broken = (last: string): object => ({
        observedGeneration: 2,
        conditions: [condition('Accepted', 'False', message), condition('Enforcing', last)],
      })
      objects.put(policy('a', good), policy('b', { ...broken('True') }), policy('c', { ...broken('False') }))
      const status = await look()
      assert.deepEqual(
        faults(status).map(({ error, hint }) => [error, hint?.split(': ').at(-1)]),
        [
          [`TrowPolicy b is not accepted: ${message}`, 'what was last good of it stays in force.'],
          [`TrowPolicy c is not accepted: ${message}`, 'nothing of it is in force.'],
        ],
      )
      assert.ok(!isHealthy(status))
    })

    test('that the registry has not looked at within ten seconds say that it is silent', async () => {
      objects.put(policy('a', { age: 2000 }))
      assert.deepEqual(faults(await look()), [])
      objects.put(policy('a', { ...good, observedGeneration: 1 }))
      assert.deepEqual(
        faults(await look()).map(({ error }) => error),
        ['the registry is silent about TrowPolicy a: it has not looked at it since its last change'],
      )
    })

    test('whose definitions are gone', async () => {
      await objects.delete({
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        name: 'trowexceptions.policy.trow.io',
      })
      const [fault] = faults(await look())
      assert.match(fault?.error ?? '', /CustomResourceDefinition .* is missing: what was last good stays/)
      assert.match(fault?.hint ?? '', /trow install/)
    })
  })

  suite('admission', () => {
    const judging = (more: object = {}): object =>
      configMap('trow-install', 'trow', {
        version: '0.1.0',
        'settings.json': JSON.stringify({ admission: true, ...more }),
      })
    const admissionPod = (index: number, node: string, status: object = ready): object => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `trow-admission-${index}`, namespace: 'trow', labels: labelled('admission') },
      spec: { nodeName: node },
      status,
    })
    const webhooks = (
      failurePolicy: string,
      { caBundle = base64('CA'), managedFields = [] as object[] } = {},
    ): object => ({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: 'trow', managedFields },
      webhooks: [
        {
          name: 'pods.trow.io',
          failurePolicy,
          clientConfig: caBundle === '' ? {} : { caBundle },
          namespaceSelector: {
            matchExpressions: [
              { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'trow'] },
            ],
          },
        },
      ],
    })
    const hashNow = (): string =>
      hashOfObjects(
        objects.objects.filter(({ kind }) => /^Trow(Policy|Exception)$/.test(kind)),
        now,
      )
    const floorObjects = (enforcing: readonly string[], hash = hashNow()): object[] => [
      {
        apiVersion: 'policy.trow.io/v1alpha1',
        kind: 'TrowFloor',
        metadata: {
          name: 'trow',
          annotations: { 'policy.trow.io/since': '2026-11-29T10:00:00.000Z', 'policy.trow.io/hash': hash },
        },
        spec: { noPolicy: 'allow', policies: enforcing.map((name) => ({ name, enforce: true })) },
      },
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name: 'trow-floor' },
      },
    ]
    const floorBinding = (managedFields: readonly object[] = []): object => ({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: 'trow-floor', managedFields },
    })
    const lines = ({ categories }: Status): string[] =>
      categories
        .filter(({ categoryName }) => categoryName === 'admission')
        .flatMap(({ checks }) => checks.map(({ description, error = '' }) => `${description}|${error}`))
    beforeEach(() => {
      objects.put(
        judging(),
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: 'trow-admission', namespace: 'trow' },
        },
        admissionPod(0, 'n1'),
        admissionPod(1, 'n2'),
        webhooks('Ignore'),
        configMap('trow-admission', 'trow', { failurePolicy: 'Ignore' }),
        ...floorObjects([]),
      )
    })

    test('is none of an install that does not know it, and named where it is off', async () => {
      objects.put(configMap('trow-install', 'trow', { version: '0.1.0', 'settings.json': '{}' }))
      assert.deepEqual(lines(await look()), [])
      objects.put(judging({ admission: false }))
      const off = 'pods are not judged when they are made (--admission off)'
      assert.deepEqual(lines(await look()), [
        `${off}|the webhooks are still there, and ask pods that are not`,
      ])
      await objects.delete(webhooksReference)
      assert.deepEqual(lines(await look()), [`${off}|`])
    })

    test('says what is ready and where, what is in force, and what is excluded', async () => {
      const status = await look()
      assert.deepEqual(lines(status), [
        'two admission pods are ready|',
        'the admission pods run on different nodes|',
        'the API server asks them about pods|',
        'failurePolicy is Ignore, row "webhook Ignore": while trow is down nothing is judged|',
        'no pod is judged in kube-system, trow|',
        'the webhook configuration is as trow has written it|',
        'the floor in the API server refuses nothing: no policy enforces at admission|',
        'nodes pull from trow, row "nodes pull from trow": images of this registry are judged again at the pull, also those of static pods|',
      ])
      assert.ok(isHealthy(status))
    })

    test('on one node is a warning where there are two, and said where there is one', async () => {
      objects.put(admissionPod(1, 'n1'))
      assert.match(lines(await look())[1] ?? '', /different nodes\|all of them run on n1/)
      await objects.delete({ apiVersion: 'v1', kind: 'Node', name: 'n2' })
      assert.match(lines(await look())[1] ?? '', /all run on node n1, the only one.*\|$/)
    })

    test('with one pod is a warning, without any and without webhooks a fault', async () => {
      objects.put(admissionPod(1, 'n2', { phase: 'Pending' }))
      const one = await look()
      assert.match(lines(one)[0] ?? '', /\|1 of them; pod trow-admission-1/)
      assert.ok(isHealthy(one))
      objects.put(admissionPod(0, 'n1', { phase: 'Pending' }))
      assert.ok(!isHealthy(await look()))
      objects.put(admissionPod(0, 'n1'), webhooks('Ignore', { caBundle: '' }))
      assert.match(lines(await look())[1] ?? '', /have not written their CA into pods\.trow\.io/)
      await objects.delete(webhooksReference)
      const missing = await look()
      assert.match(lines(missing)[1] ?? '', /ValidatingWebhookConfiguration trow is missing: nobody judges/)
      assert.ok(!isHealthy(missing))
      await objects.delete({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        name: 'trow-admission',
        namespace: 'trow',
      })
      assert.match(lines(await look())[0] ?? '', /Deployment trow-admission is missing/)
    })

    test('names the row of the table, and a wish for Fail that is not in force', async () => {
      objects.put(configMap('trow-admission', 'trow', { failurePolicy: 'Fail' }))
      assert.match(lines(await look())[3] ?? '', /Ignore.*\|Fail is wanted, and what it needs is missing/)
      objects.put(webhooks('Fail'))
      const closed = lines(await look())
      assert.match(closed[3] ?? '', /^failurePolicy is Fail, row "webhook Fail".*\|$/)
      assert.match(closed[8] ?? '', /to open it: kubectl -n trow create configmap break-glass --from-lit/)
      objects.put(webhooks('Ignore'), floorBinding())
      assert.match(lines(await look())[3] ?? '', /row "floor \+ webhook Ignore"/)
    })

    test('names who has changed the webhooks, and when', async () => {
      const time = '2026-11-24T12:00:00Z'
      const fieldsV1 = { 'f:webhooks': { 'k:{"name":"pods.trow.io"}': { 'f:failurePolicy': {} } } }
      const managedFields = [{ manager: 'kubectl-edit', operation: 'Update', time, fieldsV1 }]
      objects.put(webhooks('Ignore', { managedFields }))
      assert.match(
        lines(await look())[5] ?? '',
        /\|kubectl-edit has changed it at 2026-11-24T12:00:00\.000Z: pods\.trow\.io failurePolicy/,
      )
    })

    test('says which floor there is, whether it is that of the policies, and who else has written it', async () => {
      objects.put(...floorObjects(['production']), floorBinding())
      assert.equal(
        lines(await look())[6],
        'the floor in the API server refuses names while trow is down: by production, in step with them, since 2026-11-29T10:00:00.000Z|',
      )
      objects.put(...floorObjects(['production'], 'sha256:of-others'))
      assert.match(
        lines(await look())[6] ?? '',
        /\|it is not that of the policies: it was made at 2026-11-29T10:00:00\.000Z, of other ones$/,
      )
      const fieldsV1 = { 'f:spec': { 'f:validationActions': {} } }
      const time = '2026-11-24T12:00:00Z'
      objects.put(
        ...floorObjects(['production']),
        floorBinding([
          { manager: 'trow-admission', time, fieldsV1 },
          { manager: 'kubectl-edit', time, fieldsV1 },
        ]),
      )
      assert.equal(
        lines(await look())[7],
        'the floor is as trow has written it|kubectl-edit has written ValidatingAdmissionPolicyBinding trow-floor at 2026-11-24T12:00:00.000Z',
      )
    })

    test('names what is missing of the floor, and what comes of it', async () => {
      objects.put(...floorObjects(['production']))
      const reference = (kind: string, apiVersion: string, name: string) => ({ kind, apiVersion, name })
      const registration = 'admissionregistration.k8s.io/v1'
      const says = async (pattern: RegExp): Promise<void> => {
        const status = await look()
        assert.match(lines(status)[6] ?? '', pattern)
        assert.ok(!isHealthy(status))
      }
      await says(/\|ValidatingAdmissionPolicyBinding trow-floor is missing: the floor is open$/)
      objects.put(floorBinding())
      await objects.delete(reference('ValidatingAdmissionPolicy', registration, 'trow-floor'))
      await says(/\|ValidatingAdmissionPolicy trow-floor is missing: the floor is open$/)
      objects.put(...floorObjects([]).slice(1))
      await objects.delete(reference('TrowFloor', 'policy.trow.io/v1alpha1', 'trow'))
      await says(/\|TrowFloor trow is missing: every pod outside of the excluded namespaces is refused$/)
    })

    test('says until when break-glass is open, and not of one that is over', async () => {
      const open = (until: number): object =>
        configMap('break-glass', 'trow', { until: new Date(until).toISOString(), reason: 'node pool' })
      objects.put(open(now - 1000), configMap('trow-admission', 'trow', { failurePolicy: 'Fail' }))
      assert.equal(lines(await look()).length, 8)
      objects.put(open(now + 60_000))
      const checks = lines(await look())
      assert.match(checks[3] ?? '', /\|$/)
      assert.match(checks[6] ?? '', /the floor in the API server is open by break-glass\|$/)
      assert.match(checks[8] ?? '', /break-glass is open until .*: node pool$/)
    })
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

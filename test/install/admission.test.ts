import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { addInstallOptions } from '../../src/cli/install/install-flags.ts'
import { installSettings, type InstallOptions } from '../../src/cli/install/install-options.ts'
import { admissionPorts, floorParts } from '../../src/cluster/admission-layout.ts'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { webhookEntriesOf, webhookReference } from '../../src/cluster/webhook-configuration.ts'
import { wantedAdmission } from '../../src/install/admission-objects.ts'
import { clientSet } from '../../src/install/client-set.ts'
import { makePlan } from '../../src/install/plan.ts'
import { defaultInstallSettings, installSettingsSchema } from '../../src/install/install-settings.ts'
import { judgedSystemNamespaces } from '../../src/install/system-namespaces.ts'
import { FakeObjects } from '../support/fake-objects.ts'
import { codeIs, prepare, type Run } from './fake-install.ts'
import { optionSets, type OptionSet } from './option-sets.ts'

const webhooksWrite = 'apply ValidatingWebhookConfiguration trow'
const podsWrite = 'apply Deployment trow/trow-admission'
const unplaced = {
  phase: 'Pending',
  conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no node' }],
}

async function inForce({ cluster }: Run): Promise<Readonly<Record<string, string | undefined>>> {
  const object = await cluster.get(webhookReference)
  const entries = object === undefined ? [] : webhookEntriesOf(object)
  return Object.fromEntries(entries.map(({ name, failurePolicy }) => [name, failurePolicy]))
}

async function wished({ cluster }: Run): Promise<string | undefined> {
  const map = { apiVersion: 'v1', kind: 'ConfigMap', name: 'trow-admission', namespace: 'trow' }
  return ((await cluster.get(map))?.['data'] as Record<string, string> | undefined)?.['failurePolicy']
}

function workload(kind: string, namespace: string, spec: object): object {
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name: 'it', namespace },
    spec: { template: { spec: { containers: [{ image: 'a/b:1' }], ...spec } } },
  }
}

const cni = workload('DaemonSet', 'calico-system', {
  hostNetwork: true,
  volumes: [{ name: 'a', emptyDir: {} }, { hostPath: { path: '/etc/cni/net.d' } }],
})

test('the webhooks come last, with failurePolicy Ignore, and pods are asked about by two', async () => {
  const run = prepare()
  await run.go()
  assert.equal(run.cluster.writes.at(-1), webhooksWrite)
  assert.ok(run.cluster.writes.indexOf(podsWrite) > run.cluster.writes.indexOf('apply StatefulSet trow/trow'))
  assert.deepEqual(await inForce(run), {
    'pods.trow.io': 'Ignore',
    'templates.trow.io': 'Ignore',
    'policies.trow.io': 'Ignore',
  })
})

test('without ready pods there are no webhooks', async () => {
  const run = prepare()
  run.cluster.podStatus = (name) => (name.startsWith('trow-admission') ? unplaced : undefined)
  await assert.rejects(run.go(), codeIs('INSTALL_TIMED_OUT', 75, 'the admission pods are ready', 'no node'))
  assert.ok(!run.cluster.writes.includes(webhooksWrite))
})

test('webhooks that no pod takes over are waited for', async () => {
  const run = prepare()
  run.cluster.keepsWebhooks = false
  await assert.rejects(run.go(), codeIs('INSTALL_TIMED_OUT', 75, 'no admission pod has written its CA'))
})

test('one ready pod beside one that no node takes is enough for Ignore, and not for Fail', async () => {
  for (const [policy, isEnough] of [
    ['ignore', true],
    ['fail', false],
  ] as const) {
    const run = prepare()
    run.cluster.podStatus = (name) => (name === 'trow-admission-1' ? unplaced : undefined)
    const going = run.go({ admissionFailurePolicy: policy })
    if (isEnough) {
      await going
      assert.ok(run.states.some((each) => /^one admission pod is not ready: .*no node/.test(each)))
    } else await assert.rejects(going, codeIs('INSTALL_TIMED_OUT', 75, 'the admission pods are ready'))
    assert.equal((await inForce(run))['pods.trow.io'], isEnough ? 'Ignore' : undefined)
  }
})

test('a first pod that cannot start ends the install at once, a second one does not under Ignore', async () => {
  const crashing = {
    phase: 'Running',
    containerStatuses: [
      { name: 'trow', restartCount: 5, state: { waiting: { reason: 'CrashLoopBackOff', message: 'again' } } },
    ],
  }
  const run = prepare()
  run.cluster.podStatus = (name) => (name.startsWith('trow-admission') ? crashing : undefined)
  await assert.rejects(run.go(), codeIs('INSTALL_STUCK', 79, 'CrashLoopBackOff', 'logs trow-admission-0'))
  const other = prepare()
  other.cluster.podStatus = (name) => (name === 'trow-admission-1' ? crashing : undefined)
  await other.go()
  assert.ok(other.states.some((each) => /^one admission pod is not ready: .*CrashLoopBackOff/.test(each)))
})

test('Fail is refused while pods that others need would be judged, and nothing is wished for', async () => {
  const run = prepare()
  await run.go()
  run.cluster.put(cni)
  const fail = { admissionFailurePolicy: 'fail' } as const
  await assert.rejects(
    run.go(fail),
    codeIs('FAIL_REFUSED', 79, 'calico-system: network (DaemonSet it)', '--exempt-namespaces calico-system'),
  )
  assert.equal(await wished(run), 'Ignore')
  await run.go({ ...fail, exemptNamespaces: ['calico-system'] })
  assert.equal(await wished(run), 'Fail')
  assert.deepEqual(await inForce(run), {
    'pods.trow.io': 'Fail',
    'templates.trow.io': 'Ignore',
    'policies.trow.io': 'Ignore',
  })
  const writes = run.cluster.writes.length
  await run.go()
  assert.deepEqual(run.cluster.writes.slice(writes), [])
})

test('Fail is refused where break-glass could not be made', async () => {
  const run = prepare()
  run.cluster.fault = (verb, kind, name) => {
    if (verb === 'apply' && kind === 'ConfigMap' && name === 'break-glass')
      throw new ClusterFault('forbidden', 'configmaps "break-glass" is forbidden')
  }
  await assert.rejects(
    run.go({ admissionFailurePolicy: 'fail' }),
    codeIs('FAIL_REFUSED', 79, 'break-glass does not work', 'is forbidden', 'ConfigMap trow/break-glass'),
  )
  assert.equal(await wished(run), undefined)
  assert.ok(!run.cluster.writes.some((each) => each.includes('break-glass')))
})

test('--admission off takes away the webhooks, then the pods, then the floor, and brings none', async () => {
  const run = prepare()
  await run.go()
  const labels = { 'app.kubernetes.io/part-of': 'trow', 'app.kubernetes.io/managed-by': 'trow' }
  for (const { name, ...kind } of floorParts) run.cluster.put({ ...kind, metadata: { name, labels } })
  run.cluster.writes.length = 0
  await run.go()
  assert.deepEqual(run.cluster.writes.filter((each) => each.startsWith('delete')), []) // prettier-ignore
  await run.go({ admission: false })
  assert.deepEqual(
    run.cluster.writes.filter((each) => each.startsWith('delete')),
    [
      'delete ValidatingWebhookConfiguration trow',
      'delete ClusterRoleBinding trow-admission',
      'delete Deployment trow/trow-admission',
      'delete ValidatingAdmissionPolicyBinding trow-floor',
      'delete ValidatingAdmissionPolicy trow-floor',
      'delete TrowFloor trow',
    ],
  )
  const fresh = prepare()
  await fresh.go({ admission: false })
  assert.deepEqual(
    fresh.cluster.all.filter((each) => each.includes('admission') || each.includes('Webhook')),
    [],
  )
})

test('the floor is nothing that an install before has left, unless nobody is to judge pods', async () => {
  const { cluster } = prepare()
  const { settings } = optionSets['usual'] as OptionSet
  const labels = { 'app.kubernetes.io/part-of': 'trow', 'app.kubernetes.io/managed-by': 'trow' }
  for (const { name, ...kind } of floorParts) cluster.put({ ...kind, metadata: { name, labels } })
  const extraneous = async (admission: boolean): Promise<string[]> => {
    const plan = await makePlan(cluster, { ...settings, admission }, [], { force: false })
    return plan.extraneous.map(({ kind }) => kind)
  }
  assert.deepEqual(await extraneous(true), [])
  assert.deepEqual(await extraneous(false), ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'])
})

test('settings of a release before are brought to admission that lets everything in', () => {
  const { admission, admissionFailurePolicy, exemptNamespaces, tenants, ...before } = defaultInstallSettings
  const read = installSettingsSchema.parse(before)
  assert.deepEqual(
    [read.admission, read.admissionFailurePolicy, read.exemptNamespaces, read.tenants],
    [admission, admissionFailurePolicy, exemptNamespaces, tenants],
  )
  assert.deepEqual(
    [admission, admissionFailurePolicy, exemptNamespaces, tenants],
    [true, 'ignore', [], 'audit'],
  )
})

test('the set for repositories has Ignore and no caBundle, whatever is wished for', () => {
  const { settings, facts } = optionSets['usual'] as OptionSet
  const fail = { ...settings, admissionFailurePolicy: 'fail' as const, exemptNamespaces: ['cni'] }
  const objects = clientSet(fail, facts, { schema: 5, baseline: false })
  const webhooks = objects.find(({ kind }) => kind === webhookReference.kind) as KubeObject
  for (const { failurePolicy, caBundle } of webhookEntriesOf(webhooks))
    assert.deepEqual([failurePolicy, caBundle], ['Ignore', undefined])
  assert.equal(objects.at(-1), webhooks)
  const wishes = objects.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'trow-admission',
  )
  assert.deepEqual(wishes?.['data'], { failurePolicy: 'Fail', excluded: 'cni' })
})

test('network, storage and DNS are found by what their pods are, outside excluded namespaces', async () => {
  const objects = new FakeObjects()
  objects.put(
    cni,
    workload('DaemonSet', 'only-host', { hostNetwork: true }),
    workload('DaemonSet', 'csi-node', { volumes: [{ hostPath: { path: '/var/lib/kubelet/plugins/a' } }] }),
    workload('Deployment', 'csi-control', {
      containers: [{ image: 'registry.k8s.io/sig-storage/csi-provisioner:v5@sha256:0' }],
    }),
    workload('Deployment', 'local-path', {
      containers: [{ image: 'rancher/local-path-provisioner:v0.0.30' }],
    }),
    workload('Deployment', 'dns', { containers: [{ image: 'registry.k8s.io/coredns/coredns:v1.12.0' }] }),
    workload('Deployment', 'kube-system', { containers: [{ image: 'coredns/coredns:1' }] }),
    workload('Deployment', 'given', { containers: [{ image: 'coredns/coredns:1' }] }),
    workload('Deployment', 'app', { containers: [{ image: 'acme/coredns-dashboard/ui:1' }] }),
  )
  const found = await judgedSystemNamespaces(objects, {
    ...defaultInstallSettings,
    exemptNamespaces: ['given'],
  })
  assert.deepEqual(
    found.map(({ namespace, because }) => `${namespace} ${because}`),
    [
      'calico-system network (DaemonSet it)',
      'csi-control storage (Deployment it)',
      'csi-node storage (DaemonSet it)',
      'dns DNS (Deployment it)',
      'local-path storage (Deployment it)',
    ],
  )
})

test('pods, Service and webhooks agree on ports, and the pods are told where they are installed', () => {
  const { settings, facts } = optionSets['node-port-local'] as OptionSet
  const wanted = wantedAdmission(settings, facts)
  assert.ok(wanted)
  const [container] = wanted.pods.spec.template.spec.containers
  const { ports = [] } = container as { ports?: readonly { name: string; containerPort: number }[] }
  assert.deepEqual(
    ports.map(({ name, containerPort }) => [name, containerPort]),
    [
      ['https', admissionPorts.webhook],
      ['metrics', admissionPorts.metrics],
    ],
  )
  assert.equal(container.args.slice(-6, -2).join(' '), '--namespace images --tenants audit')
  const namespaces = 'kube-system,kube-public,kube-node-lease,images,images-node'
  assert.deepEqual(container.args.slice(-2), ['--exempt', namespaces])
  const { hostAliases } = wanted.pods.spec.template.spec as { hostAliases?: object }
  assert.deepEqual(hostAliases, [{ ip: '10.96.12.7', hostnames: ['trow.images.svc'] }])
  const webhooks = wanted.webhooks['webhooks'] as {
    clientConfig: { service: object }
    namespaceSelector?: { matchExpressions: { values: string[] }[] }
    matchConditions?: object
  }[]
  assert.deepEqual(webhooks[0]?.clientConfig.service, {
    namespace: 'images',
    name: 'trow-admission',
    path: '/pods',
    port: 443,
  })
  assert.deepEqual(webhooks[0]?.namespaceSelector?.matchExpressions[0]?.values, [
    'kube-system',
    'kube-public',
    'kube-node-lease',
    'images',
    'images-node',
  ])
  // The error of a condition would be an allow.
  assert.ok(webhooks.every(({ matchConditions }) => matchConditions === undefined))
})

test('names that are none of a namespace are refused, and Fail without the pods that judge', () => {
  const last = undefined
  const given = (options: InstallOptions) => installSettings(options, { namespace: 'trow', last })
  assert.throws(
    () => given({ admission: 'off', admissionFailurePolicy: 'fail' }),
    codeIs('OPTIONS_CONFLICT', 2, '--admission-failure-policy fail'),
  )
  assert.deepEqual(given({ exemptNamespaces: ['a', 'b'] }).exemptNamespaces, ['a', 'b'])
  const command = addInstallOptions(new Command()).exitOverride()
  assert.deepEqual(
    command.parse(['--exempt-namespaces', 'a, b'], { from: 'user' }).opts()['exemptNamespaces'],
    ['a', 'b'],
  )
  assert.throws(
    () => command.parse(['--exempt-namespaces', 'a,*'], { from: 'user' }),
    codeIs('OPTION_INVALID', 2, '* is no name of a namespace'),
  )
})

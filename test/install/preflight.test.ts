import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startupTaint } from '../../src/cluster/layout.ts'
import type { PreflightCheck } from '../../src/install/check.ts'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import { defaultInstallSettings, type InstallSettings } from '../../src/install/install-settings.ts'
import type { PreflightContext } from '../../src/install/preflight/preflight-context.ts'
import { preflight } from '../../src/install/preflight/preflight.ts'
import type { Remembered } from '../../src/install/remembered.ts'
import { resultVersion } from '../../src/cli/result/result-version.ts'
import { checkResult } from '../support/check-result.ts'
import { FakeCluster } from './fake-cluster.ts'

const now = Date.parse('2026-11-24T12:00:00Z')

interface Look {
  readonly put?: readonly object[]
  readonly settings?: Partial<InstallSettings>
  readonly remembered?: Partial<Remembered>
  readonly options?: Partial<PreflightContext>
  readonly change?: (cluster: FakeCluster) => void
}

async function look({ put = [], settings = {}, remembered, options = {}, change }: Look) {
  const cluster = new FakeCluster(['n1', 'n2'], () => now)
  cluster.put(...put)
  change?.(cluster)
  cluster.writes.length = 0
  const all = { ...defaultInstallSettings, ...settings }
  const last: Remembered | undefined = remembered && {
    settings: defaultInstallSettings,
    version: '0.1.0',
    schema: 7,
    clusterIps: [],
    nodePort: undefined,
    baseline: true,
    ...remembered,
  }
  const report = await preflight({
    cluster,
    settings: all,
    remembered: last,
    image: { reference: 'trow.test/trow:1', isDefault: false },
    version: '0.1.0',
    schema: 7,
    now: () => now,
    force: false,
    ignored: [],
    ...options,
  })
  assert.deepEqual(cluster.writes, [], 'a preflight changes nothing')
  // What --preflight -o json prints of it.
  checkResult('Preflight', JSON.stringify({ apiVersion: resultVersion, kind: 'Preflight', ...report }))
  const checks = report.categories.flatMap((category) => category.checks)
  return { report, find: (id: string): PreflightCheck[] => checks.filter((check) => check.id === id) }
}

const meta = (name: string, namespace?: string, more: object = {}): object => ({
  name,
  ...(namespace === undefined ? {} : { namespace }),
  ...more,
})

const helm = {
  labels: { 'app.kubernetes.io/managed-by': 'Helm' },
  annotations: { 'meta.helm.sh/release-name': 'old' },
}

const statefulSet = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: meta('trow', 'trow', { labels: { 'app.kubernetes.io/name': 'trow' } }),
  spec: {
    volumeClaimTemplates: [
      { spec: { storageClassName: 'trow-local', resources: { requests: { storage: '5Gi' } } } },
    ],
  },
}
const localDisk = {
  apiVersion: 'v1',
  kind: 'PersistentVolume',
  metadata: meta('trow-data'),
  spec: {
    local: { path: '/srv' },
    nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ values: ['n1'] }] }] } },
  },
}
const otherService = { apiVersion: 'v1', kind: 'Service', metadata: meta('web', 'shop') }

const limitRange = (namespace: string, type: string, limit: object): object => ({
  apiVersion: 'v1',
  kind: 'LimitRange',
  metadata: meta('small', namespace),
  spec: { limits: [{ type, ...limit }] },
})

/** The LimitRange or quota, its namespace, the result, and text of the message. */
const limitRows: readonly (readonly [string, Look, string, PreflightCheck['result'], ...string[]])[] = (
  [
    ['trow', 'Container', { max: { memory: '128Mi' } }, 'error', '256Mi of memory asked for, 128Mi at most'],
    [
      'trow-node',
      'Container',
      { max: { memory: '64Mi' } },
      'error',
      '96Mi of memory asked for, 64Mi at most',
    ],
    ['trow-node', 'Container', { default: { memory: '64Mi' } }, 'error', 'a limit of 64Mi given'],
    ['trow-node', 'Container', { min: { cpu: '50m' } }, 'error', '10m of cpu asked for, 50m at least'],
    ['trow', 'Pod', { max: { cpu: '2' } }, 'error', 'pods must have a limit of cpu'],
    ['trow', 'PersistentVolumeClaim', { max: { storage: '10Gi' } }, 'error', '20Gi of storage asked for'],
    [
      'trow-node',
      'Container',
      { default: { cpu: '1' }, maxLimitRequestRatio: { cpu: 4 } },
      'error',
      'more than 4 times',
    ],
    ['trow-node', 'Container', { default: { memory: '512Mi' } }, 'warning', 'limits their memory to 512Mi'],
    ['trow', 'Container', { max: { memory: '8Gi' } }, 'warning', 'limits their memory to 8Gi'],
  ] as const
).map(([namespace, type, limit, result, words]) => [
  `a LimitRange for each ${type} in ${namespace}: ${words}`,
  { put: [limitRange(namespace, type, limit)] },
  'limit-range',
  result,
  words,
  `kubectl -n ${namespace} delete limitrange small`,
])

const heldNode = {
  ...new FakeCluster([], () => now).node('n2'),
  spec: { taints: [{ key: startupTaint, effect: 'NoSchedule' }] },
}

/** The cluster or the options, the check that detects it, its result, and text of its message. */
const rows: readonly (readonly [string, Look, string, PreflightCheck['result'], ...string[]])[] = [
  [
    'no StorageClass',
    {
      change: (cluster) =>
        void cluster.delete({ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', name: 'standard' }),
    },
    'storage',
    'error',
    'none at all',
    '--storage local:/PATH',
  ],
  [
    'a cluster that cannot bind agents to their nodes',
    {
      change: (cluster) => {
        cluster.version = async () => ({ gitVersion: 'v1.29.4', clock: now })
        cluster.fault = (_verb, kind) => {
          if (kind.startsWith('ValidatingAdmission'))
            throw new ClusterFault('refused', 'no such kind', { status: 404 })
        }
      },
    },
    'node-binding',
    'warning',
    'ValidatingAdmissionPolicy',
    'do not name their node',
    'docs/security.md',
  ],
  ['a cluster that can', {}, 'node-binding', 'success'],
  ['the same without agents', { settings: { trustNodes: false } }, 'permissions', 'success'],
  [
    'no right to bind agents to their nodes',
    {
      change: (cluster) => {
        cluster.rights = ({ resource }) => resource !== '*' && !resource.startsWith('validatingadmission')
      },
    },
    'permissions',
    'error',
    'validatingadmissionpolicies.admissionregistration.k8s.io',
    'validatingadmissionpolicybindings.admissionregistration.k8s.io',
  ],
  [
    'tokens of service accounts in a cluster that is too old for them',
    {
      settings: { pullIdentity: 'service-account' },
      change: (cluster) => {
        cluster.version = async () => ({ gitVersion: 'v1.33.4', clock: now })
      },
    },
    'pull-identity',
    'error',
    '1.34',
    '--pull-identity node',
  ],
  [
    'a node with the startup taint, which agents may not take away',
    { put: [heldNode] },
    'startup-taint',
    'warning',
    'n2 would keep it',
    '--startup-taint',
  ],
  [
    'nodes with the startup taint only, which agents take away',
    { put: [heldNode, { ...heldNode, metadata: { name: 'n1' } }], settings: { startupTaint: true } },
    'schedulable',
    'success',
  ],
  [
    'a StorageClass that is not there',
    { settings: { storage: { kind: 'claim', size: '1Gi', className: 'fast' } } },
    'storage',
    'error',
    'standard',
    '--storage-class',
  ],
  [
    'ephemeral storage',
    { settings: { storage: { kind: 'ephemeral' } } },
    'storage',
    'warning',
    'gone with the pod',
  ],
  [
    'a node of local storage that is not there',
    { settings: { storage: { kind: 'local', size: '1Gi', path: '/x', node: 'n9' } } },
    'storage',
    'error',
    'n9',
  ],
  [
    'other storage than before',
    { remembered: {}, settings: { storage: { kind: 'claim', size: '99Gi' } } },
    'same-storage',
    'error',
    '20Gi',
    '99Gi',
  ],
  [
    'another install',
    {
      put: [
        {
          apiVersion: 'apps/v1',
          kind: 'StatefulSet',
          metadata: meta('trow', 'other', { labels: { 'app.kubernetes.io/name': 'trow' } }),
        },
      ],
    },
    'other-install',
    'error',
    'other',
  ],
  [
    'Helm',
    { put: [{ apiVersion: 'v1', kind: 'Namespace', metadata: meta('trow', undefined, helm) }] },
    'managed',
    'error',
    'Helm (release old)',
    '--force',
  ],
  [
    'Argo CD',
    {
      put: [
        {
          apiVersion: 'apps/v1',
          kind: 'StatefulSet',
          metadata: meta('trow', 'trow', {
            labels: { 'app.kubernetes.io/name': 'trow' },
            annotations: { 'argocd.argoproj.io/tracking-id': 'images:apps/StatefulSet:trow/trow' },
          }),
        },
      ],
    },
    'managed',
    'error',
    'Argo CD (images)',
  ],
  [
    'Helm, with --force',
    {
      put: [{ apiVersion: 'v1', kind: 'Namespace', metadata: meta('trow', undefined, helm) }],
      options: { force: true },
    },
    'managed',
    'warning',
    'Helm',
  ],
  [
    'a namespace of others',
    {
      put: [
        { apiVersion: 'v1', kind: 'Namespace', metadata: meta('trow') },
        { apiVersion: 'v1', kind: 'Service', metadata: meta('shop', 'trow') },
      ],
    },
    'namespace',
    'error',
    'Service shop',
    '--namespace',
  ],
  [
    'a namespace that is going',
    {
      put: [
        {
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: meta('trow', undefined, { deletionTimestamp: '2026-11-24T11:59:00Z' }),
        },
      ],
    },
    'namespace',
    'error',
    'being deleted',
  ],
  [
    'a newer schema',
    { remembered: { version: '0.2.0', schema: 8 } },
    'downgrade',
    'error',
    'schema 8',
    'trow 0.2.0',
  ],
  [
    'data that an uninstall has left, of a newer schema',
    {
      put: [
        {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: {
            ...meta('data-trow-0', 'trow'),
            annotations: { 'trow.io/version': '0.2.0', 'trow.io/schema': '8' },
          },
          spec: { resources: { requests: { storage: '20Gi' } } },
        },
      ],
    },
    'downgrade',
    'error',
    'schema 8',
    'trow 0.2.0',
  ],
  [
    'a downgrade of the same schema',
    { remembered: { version: '0.10.0' } },
    'downgrade',
    'warning',
    'downgrade',
  ],
  [
    'agents that would go',
    { remembered: {}, settings: { trustNodes: false } },
    'trust-nodes',
    'error',
    'trow uninstall',
  ],
  [
    'the installer of 2019',
    {
      put: [
        { apiVersion: 'apps/v1', kind: 'Deployment', metadata: meta('trow-deploy', 'kube-public') },
        { apiVersion: 'batch/v1', kind: 'Job', metadata: meta('copy-certs-n1', 'kube-public') },
      ],
    },
    'leftovers',
    'warning',
    'trow-deploy',
    'copy-certs-n1',
    '/etc/hosts',
  ],
  [
    'nodes that are not Ready',
    { change: (cluster) => cluster.put(cluster.node('n2', false)) },
    'ready',
    'warning',
    'n2',
  ],
  [
    'no node for pods',
    {
      change: (cluster) => {
        for (const name of ['n1', 'n2'])
          cluster.put({
            ...cluster.node(name),
            spec: { taints: [{ key: 'dedicated', effect: 'NoSchedule' }] },
          })
      },
    },
    'schedulable',
    'error',
    'dedicated',
  ],
  [
    'a NodePort that is taken',
    {
      settings: { serviceType: 'NodePort', nodePort: 31000 },
      put: [
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: meta('shop', 'web'),
          spec: { ports: [{ nodePort: 31000 }] },
        },
      ],
    },
    'node-port',
    'error',
    'Service shop in web',
  ],
  [
    'a loopback port that is taken',
    {
      put: [
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: meta('p', 'web'),
          spec: { hostNetwork: true, containers: [{ ports: [{ containerPort: 29443 }] }] },
        },
      ],
    },
    'loopback-port',
    'warning',
    'pod p in web',
  ],
  [
    'an IngressClass that is not there',
    { settings: { host: 'a.example', ingressClass: 'nginx' } },
    'ingress-class',
    'error',
    'none',
  ],
  [
    'a TLS Secret that is not there',
    { settings: { host: 'a.example', tlsSecret: 'mine' } },
    'tls-secret',
    'error',
    'create secret tls mine',
  ],
  [
    'a webhook that must answer',
    {
      put: [
        {
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind: 'ValidatingWebhookConfiguration',
          metadata: meta('k'),
          webhooks: [{ name: 'v.kyverno', rules: [{ resources: ['pods'] }] }],
        },
      ],
    },
    'webhooks',
    'warning',
    'v.kyverno',
  ],
  [
    'a quota',
    {
      put: [
        {
          apiVersion: 'v1',
          kind: 'ResourceQuota',
          metadata: meta('small', 'trow'),
          status: { hard: { 'requests.storage': '10Gi' }, used: { 'requests.storage': '1Gi' } },
        },
      ],
    },
    'quota',
    'warning',
    'small',
    'requests.storage',
  ],
  ...limitRows,
  [
    'a registry of which no install is remembered',
    {
      put: [statefulSet, localDisk],
      settings: { storage: { kind: 'claim', size: '20Gi' } },
    },
    'same-storage',
    'error',
    'it was 5Gi in /srv of node n1',
    'trow install --storage local:n1:/srv --storage-size 5Gi goes on',
  ],
  [
    'a registry of which no install is remembered, asked for as it is',
    {
      put: [statefulSet, localDisk],
      settings: { storage: { kind: 'local', size: '5Gi', path: '/srv', node: 'n1' } },
    },
    'last-install',
    'warning',
    'ConfigMap trow-install in trow is not',
    '--host',
  ],
  [
    'a registry whose last install cannot be read',
    {
      put: [statefulSet, localDisk],
      remembered: { settings: undefined },
      settings: { storage: { kind: 'ephemeral' } },
    },
    'same-storage',
    'error',
    'local:n1:/srv',
  ],
  [
    'an address that another Service has by now',
    {
      remembered: { clusterIps: ['10.96.12.7'] },
      put: [{ ...otherService, spec: { clusterIP: '10.96.12.7', clusterIPs: ['10.96.12.7'] } }],
    },
    'address',
    'warning',
    'Service web in shop has 10.96.12.7',
    'another',
  ],
  [
    'an image that nodes do not have',
    { options: { image: { reference: 'ghcr.io/x/trow:1', isDefault: true } } },
    'image',
    'warning',
    'n1, n2',
  ],
  [
    'a right that is missing',
    {
      change: (cluster) =>
        (cluster.rights = ({ resource, verb }) => verb !== '*' && resource !== 'networkpolicies'),
    },
    'permissions',
    'error',
    'networkpolicies.networking.k8s.io in trow',
  ],
  [
    'no right to define policies, or to make the first one',
    {
      change: (cluster) =>
        (cluster.rights = ({ resource, verb }) =>
          verb !== '*' && !['customresourcedefinitions', 'trowpolicies'].includes(resource)),
    },
    'permissions',
    'error',
    'create, patch, get customresourcedefinitions.apiextensions.k8s.io',
    'create, patch, get, list trowpolicies.policy.trow.io',
  ],
  [
    'roles that cannot be given',
    { change: (cluster) => (cluster.rights = ({ verb }) => !['*', 'escalate'].includes(verb)) },
    'grants',
    'error',
    'escalate',
  ],
  [
    'an old cluster',
    { change: (cluster) => (cluster.version = async () => ({ gitVersion: 'v1.24.17', clock: now })) },
    'version',
    'error',
    'v1.24.17',
  ],
  [
    'a clock that is off',
    {
      change: (cluster) =>
        (cluster.version = async () => ({ gitVersion: 'v1.37.2', clock: now + 8 * 60_000 })),
    },
    'clock',
    'warning',
    '8 minutes',
  ],
  [
    'a clock that is far off',
    {
      change: (cluster) =>
        (cluster.version = async () => ({ gitVersion: 'v1.37.2', clock: now - 3 * 3_600_000 })),
    },
    'clock',
    'error',
    '180 minutes',
  ],
  [
    'Talos',
    {
      change: (cluster) =>
        cluster.put({
          ...cluster.node('n1'),
          status: {
            conditions: [{ type: 'Ready', status: 'True' }],
            nodeInfo: { osImage: 'Talos (v1.15)', containerRuntimeVersion: 'containerd://2.3.7' },
          },
        }),
    },
    'platform',
    'warning',
    'Talos',
  ],
]

for (const [name, given, id, result, ...words] of rows) {
  test(`${name}: ${result}`, async () => {
    const { report, find } = await look(given)
    const check = find(id).find((each) => each.result === result)
    assert.ok(check !== undefined, JSON.stringify(find(id)))
    for (const word of words)
      assert.ok(`${check.error}\n${check.hint}`.includes(word), `${word}: ${JSON.stringify(check)}`)
    assert.equal(report.success, result !== 'error')
  })
}

test('a LimitRange that asks for nothing of ours, or gives the limit that another asks for, is in nobody’s way', async () => {
  const { find } = await look({
    put: [
      limitRange('trow', 'Container', { defaultRequest: { cpu: '1' }, min: { memory: '1Mi' } }),
      limitRange('elsewhere', 'Container', { max: { memory: '1Mi' } }),
    ],
  })
  assert.deepEqual(find('limit-range').map(({ result }) => result), ['success', 'success']) // prettier-ignore
})

test('a quota that wants limits refuses pods without, unless a LimitRange gives them some', async () => {
  const quota = {
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: meta('limits', 'trow-node'),
    spec: { hard: { 'limits.memory': '10Gi' } },
  }
  const alone = await look({ put: [quota] })
  assert.match(
    alone.find('limit-range')[1]?.error ?? '',
    /ResourceQuota limits refuses them: .* limit of memory/,
  )
  const scoped = { ...quota, spec: { ...quota.spec, scopes: ['BestEffort'] } }
  assert.ok((await look({ put: [scoped] })).report.success)
  const range = limitRange('trow-node', 'Container', { default: { memory: '1Gi' } })
  assert.ok((await look({ put: [quota, range] })).report.success)
})

test('a healthy cluster: nothing but what cannot be known', async () => {
  const { report, find } = await look({})
  assert.equal(report.success, true)
  const doubts = report.categories
    .flatMap(({ checks }) => checks.filter(({ result }) => result !== 'success'))
    .map(({ id }) => id)
  assert.deepEqual(doubts, ['clock'])
  assert.equal(find('image')[0]?.result, 'success')
})

test('what no install gets past is not offered to be ignored', async () => {
  const noClass = (cluster: FakeCluster): void =>
    void cluster.delete({ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', name: 'standard' })
  const { find } = await look({ change: noClass, remembered: { version: '0.2.0', schema: 8 } })
  assert.equal(find('storage')[0]?.isFinal, true)
  assert.equal(find('version')[0]?.isFinal, undefined)
})

test('what is ignored becomes a warning', async () => {
  const { report, find } = await look({
    remembered: { version: '0.2.0', schema: 8 },
    options: { ignored: ['downgrade'] },
  })
  assert.equal(report.success, true)
  assert.equal(find('downgrade')[0]?.result, 'warning')
})

test('kubelets that cannot hand over tokens are named, and keep no install back', async () => {
  const { report, find } = await look({
    settings: { pullIdentity: 'service-account' },
    change: (cluster) => {
      cluster.version = async () => ({ gitVersion: 'v1.37.2', clock: now })
      const versions: Readonly<Record<string, string>> = { n1: 'v1.37.2', n2: 'v1.33.9' }
      for (const [name, kubeletVersion] of Object.entries(versions)) {
        const node = cluster.node(name) as { readonly status: { readonly nodeInfo: object } }
        cluster.put({
          ...node,
          status: { ...node.status, nodeInfo: { ...node.status.nodeInfo, kubeletVersion } },
        })
      }
    },
  })
  assert.ok(report.success)
  const [ofCluster, ofNodes] = find('pull-identity')
  assert.equal(ofCluster?.result, 'success')
  assert.equal(ofNodes?.result, 'warning')
  assert.equal(ofNodes.error, 'n2 has v1.33.9')
})

test('failurePolicy Fail needs the namespaces of network, storage and DNS excluded', async () => {
  const put = [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: meta('coredns', 'dns'),
      spec: { template: { spec: { containers: [{ image: 'coredns/coredns:1' }] } } },
    },
  ]
  const results = async (settings: Partial<InstallSettings>, ignored: readonly string[] = []) => {
    const { find } = await look({ put, settings, options: { ignored } })
    return find('admission-fail').map(({ result, isFinal, hint = '' }) => [result, isFinal === true, hint])
  }
  assert.deepEqual(await results({}), [['success', false, '']])
  assert.deepEqual(await results({ admissionFailurePolicy: 'fail' }), [
    ['error', true, 'Add --exempt-namespaces dns, or --admission-failure-policy ignore.'],
  ])
  assert.deepEqual(await results({ admissionFailurePolicy: 'fail', exemptNamespaces: ['dns'] }), [
    ['success', false, ''],
  ])
  assert.deepEqual(await results({ admission: false }), [])
})

test('one node for two admission pods is a warning', async () => {
  const change = (cluster: FakeCluster): void =>
    cluster.put({ ...cluster.node('n2'), spec: { unschedulable: true } })
  const [check] = (await look({ change })).find('admission-nodes')
  assert.equal(check?.result, 'warning')
  assert.match(check.error ?? '', /one node takes pods/)
})

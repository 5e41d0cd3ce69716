import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { imageProblem } from '../support/trow-image.ts'
import { InstallFixture } from './install-fixture.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'

const registryAnywhere = [
  'nodes [] [get]',
  'serviceaccounts [trow-node] [get]',
  'subjectaccessreviews.authorization.k8s.io [] [create]',
  'tokenreviews.authentication.k8s.io [] [create]',
  'trowexceptions.policy.trow.io [] [get list watch]',
  'trowexceptions.policy.trow.io/status [] [patch]',
  'trowpolicies.policy.trow.io [] [get list watch]',
  'trowpolicies.policy.trow.io/status [] [patch]',
]
const admissionAnywhere = [
  'admission.registry.trow.io [] [get create]',
  'jobs.batch [] [get]',
  'pods [] [list]',
  'replicasets.apps [] [get]',
  'subjectaccessreviews.authorization.k8s.io [] [create]',
  'trowexceptions.policy.trow.io [] [get list watch]',
  'trowfloors.policy.trow.io [] [get]',
  'trowfloors.policy.trow.io [trow] [get list watch create patch delete]',
  'trowpolicies.policy.trow.io [] [get list watch]',
  'validatingadmissionpolicies.admissionregistration.k8s.io [trow-floor] [get list watch create patch delete]',
  'validatingadmissionpolicybindings.admissionregistration.k8s.io [trow-floor] [get list watch create patch delete]',
  'validatingwebhookconfigurations.admissionregistration.k8s.io [trow] [get list watch patch]',
]

/** Rights of an account, as `kubectl auth can-i --list` prints them, without those of every authenticated user. */
const rights = {
  agent: {
    account: 'system:serviceaccount:trow-node:trow-node',
    'trow-node': [
      'configmaps [] [get create patch]',
      'configmaps [trow-node] [get list watch]',
      'leases.coordination.k8s.io [] [get list create patch]',
      'nodes [] [get list watch]',
    ],
    trow: [
      'configmaps [trow-orders] [get list watch]',
      'endpointslices.discovery.k8s.io [] [get list watch]',
      'nodes [] [get list watch]',
    ],
    default: ['nodes [] [get list watch]'],
  },
  registry: {
    account: 'system:serviceaccount:trow:trow',
    'trow-node': registryAnywhere,
    trow: ['configmaps [trow-audit] [get patch]', ...registryAnywhere],
    default: registryAnywhere,
  },
  admission: {
    account: 'system:serviceaccount:trow:trow-admission',
    'trow-node': admissionAnywhere,
    trow: [
      'configmaps [break-glass] [get list watch delete]',
      'configmaps [trow-admission] [get list watch]',
      'configmaps [trow-running] [get patch]',
      'deployments.apps [trow-admission] [get]',
      'leases.coordination.k8s.io [trow-admission] [get patch]',
      'secrets [trow-admission-tls] [get list watch patch]',
      ...admissionAnywhere,
    ],
    default: admissionAnywhere,
  },
  trial: { account: 'system:serviceaccount:trow:default', 'trow-node': [], trow: [], default: [] },
} as const

suite('a node that was taken over', { skip: clusterProblem() || (await imageProblem()) }, () => {
  let trow: InstallFixture
  /** Token of the agent's account, bound to its pod on n1. */
  let own: string
  /** Token of the same account without a binding. */
  let unbound: string
  before(async () => {
    trow = await InstallFixture.start('attack-node', { admission: true })
    const onFirst = [
      '-l',
      'app.kubernetes.io/component=node',
      '--field-selector=spec.nodeName=n1',
      '-o',
      'name',
    ]
    const pod = (await trow.kubectl('-n', 'trow-node', 'get', 'pod', ...onFirst)).trim().replace('pod/', '')
    const token = async (...args: readonly string[]): Promise<string> =>
      trow.cluster.tokenKubeconfig(
        (await trow.kubectl('-n', 'trow-node', 'create', 'token', 'trow-node', ...args)).trim(),
      )
    own = await token('--bound-object-kind=Pod', `--bound-object-name=${pod}`)
    unbound = await token()
  })
  after(async () => {
    await trow.close()
  })

  /** Runs kubectl with that kubeconfig. Resolves to the error; empty: it was allowed. */
  async function refusal(kubeconfig: string, ...args: readonly string[]): Promise<string> {
    try {
      await trow.cluster.kubectl(['--kubeconfig', kubeconfig, ...args])
      return ''
    } catch (error) {
      return (error as { stderr?: string }).stderr ?? (error as Error).message
    }
  }
  const merge = (kind: string, name: string, patch: object, namespace = 'trow-node'): string[] => [
    '-n',
    namespace,
    'patch',
    kind,
    name,
    '--type=merge',
    '-p',
    JSON.stringify(patch),
  ]

  test('its agent writes its own report and Lease, and those of no other node', async (context) => {
    const data = { data: { 'hosts.json': '["trow.trow.svc"]' } }
    const spec = { spec: { holderIdentity: 'n1' } }
    const lease = (name: string): string[] => ['-n', 'trow-node', 'create', 'lease', name]
    assert.equal(await refusal(own, ...merge('configmap', 'node-n1', data)), '')
    for (const attack of [
      merge('configmap', 'node-n2', data),
      ['-n', 'trow-node', 'create', 'configmap', 'trow-orders'],
      ['-n', 'trow-node', 'create', 'configmap', 'trow-node'],
      ['-n', 'trow-node', 'create', 'configmap', 'node-n9'],
    ]) {
      const said = await refusal(own, ...attack)
      context.diagnostic(said.trim())
      assert.match(said, /the agent of node n1 writes node-n1 and nothing else/, attack.join(' '))
    }
    for (const name of ['node-n2', 'trow-node-restart']) {
      const lost = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name }, spec: {} }
      const stdin = JSON.stringify(lost)
      await trow.cluster.kubectl(['-n', 'trow-node', 'apply', '-f', '-'], { stdin })
      const said = await refusal(own, ...merge('lease', name, spec))
      context.diagnostic(said.trim())
      assert.match(said, /the agent of node n1 writes node-n1 and nothing else/, name)
      await trow.kubectl('-n', 'trow-node', 'delete', 'lease', name)
    }
    assert.doesNotMatch(await refusal(own, ...lease('node-n1')), /writes node-n1/)
  })

  test('nobody of the agents writes orders, reads the CA’s key, or makes pods', async (context) => {
    const orders = { data: { 'settings.json': '{}' } }
    const attacks = [
      merge('configmap', 'trow-orders', orders, 'trow'),
      ['-n', 'trow', 'delete', 'configmap', 'trow-orders'],
      ['-n', 'trow', 'create', 'configmap', 'other'],
      ['-n', 'trow', 'get', 'secret', 'trow-ca'],
      ['-n', 'trow', 'get', 'configmap', 'trow-config'],
      ['-n', 'trow-node', 'delete', 'configmap', 'node-n1'],
      ['-n', 'trow-node', 'get', 'configmaps'],
      ['-n', 'trow-node', 'create', 'token', 'trow-node'],
      ['-n', 'trow', 'create', 'token', 'trow'],
      ['-n', 'trow-node', 'run', 'evil', '--image=trow.test/busybox:1'],
      merge('daemonset', 'trow-node', { spec: { template: { spec: { hostPID: true } } } }),
      ['label', 'node', 'n2', 'evil=yes'],
      ['delete', 'validatingadmissionpolicybinding', 'trow-node'],
    ]
    for (const attack of attacks) {
      const said = await refusal(own, ...attack)
      if (attack === attacks[0]) context.diagnostic(said.trim())
      assert.match(said, /forbidden/i, attack.join(' '))
    }
  })

  test('a token that names no node writes nothing', async (context) => {
    const said = await refusal(unbound, ...merge('configmap', 'node-n1', { data: { x: 'y' } }))
    context.diagnostic(said.trim())
    assert.match(said, /the token of an agent must name its node/)
  })

  test('every account of the install may do what is written here, and no more', async () => {
    for (const [who, { account, ...places }] of Object.entries(rights)) {
      for (const [namespace, wanted] of Object.entries<readonly string[]>(places)) {
        const group = `system:serviceaccounts:${account.split(':')[2]}`
        const groups = ['system:serviceaccounts', group, 'system:authenticated']
        const impersonated = ['--as', account, ...groups.flatMap((each) => ['--as-group', each])]
        const list = ['auth', 'can-i', '--list', '--no-headers', '-n', namespace]
        const listed = await trow.kubectl(...list, ...impersonated)
        assert.deepEqual(ownRights(listed), [...wanted].sort(), `${who} in ${namespace}`)
      }
    }
  })

  test('agents that are not bound any more are an error of the status, and the next install binds them', async () => {
    await trow.healthy()
    await trow.kubectl('delete', 'validatingadmissionpolicybinding', 'trow-node')
    await trow.statusSays(/ValidatingAdmissionPolicy trow-node, or its binding, is missing/)
    const { code, stderr } = await trow.install()
    assert.equal(code, 0, stderr)
    await trow.healthy()
  })

  test('agents that may take a taint from new nodes take that one from their own, and no more', async (context) => {
    const { code, stderr } = await trow.install('--startup-taint')
    assert.equal(code, 0, stderr)
    const taint = 'trow.io/agent-not-ready'
    const tainted = (node: string): string[] => ['taint', 'node', node, `${taint}=:NoSchedule`, '--overwrite']
    for (const attack of [
      merge('node', 'n2', { metadata: { labels: { evil: 'yes' } } }),
      merge('node', 'n2', { spec: { taints: [] } }),
    ]) {
      const said = await refusal(own, ...attack)
      context.diagnostic(said.trim())
      assert.match(said, /the agent of node n1 writes node-n1 and nothing else/)
    }
    for (const patch of [
      { metadata: { labels: { evil: 'yes' } } },
      { metadata: { annotations: { evil: 'yes' } } },
      { spec: { unschedulable: true } },
      { spec: { taints: [{ key: 'evil', effect: 'NoExecute' }] } },
    ]) {
      const said = await refusal(own, ...merge('node', 'n1', patch))
      context.diagnostic(said.trim())
      assert.match(said, /changes nothing else of it/, JSON.stringify(patch))
    }
    await trow.kubectl(...tainted('n1'))
    await eventually(async () => {
      assert.doesNotMatch(await trow.kubectl('get', 'node', 'n1', '-o', 'jsonpath={.spec.taints}'), /trow/)
    }, 60_000)
  })
})

/** Resources, names and verbs; what every authenticated user may ask is left out. */
function ownRights(listed: string): string[] {
  return listed
    .split('\n')
    .map((line) => /^(\S+)\s+(\[.*?\])\s+(\[.*?\])\s+(\[.*?\])/.exec(line.trim()))
    .flatMap((match) => (match === null ? [] : [`${match[1]} ${match[3]} ${match[4]}`]))
    .filter((right) => !/^(selfsubject|clustertrustbundles|\[)/.test(right))
    .sort()
}

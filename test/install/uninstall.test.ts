import assert from 'node:assert/strict'
import { beforeEach, suite, test } from 'node:test'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import { layoutOf } from '../../src/cluster/layout.ts'
import { notedDataVersion } from '../../src/install/kept-data.ts'
import { planUninstall, type UninstallPlan } from '../../src/install/uninstall-plan.ts'
import { uninstall } from '../../src/install/uninstall.ts'
import { FakeObjects } from '../support/fake-objects.ts'
import { nodeObject, reportObject, windowsNode } from '../support/node-objects.ts'

const layout = layoutOf('trow')
const options = { purge: false, keepNamespace: false, host: 'trow.trow.svc' }

suite('uninstall', () => {
  let objects: FakeObjects
  let clock: number
  let following: boolean

  const own = (
    apiVersion: string,
    kind: string,
    name: string,
    namespace?: string,
    rest: object = {},
  ): object => ({
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { 'app.kubernetes.io/part-of': 'trow' },
    },
    ...rest,
  })
  const parts = () => ({
    objects,
    layout,
    now: () => clock,
    say: () => {},
    async pause(milliseconds: number) {
      clock += milliseconds
      if (following) objects.put(reportObject('n1', clock, { phase: 'undone' }))
    },
  })
  const kindsOf = (plan: UninstallPlan): string[] => plan.objects.map(({ kind }) => kind)

  beforeEach(() => {
    objects = new FakeObjects()
    clock = Date.parse('2026-11-24T12:00:00Z')
    following = true
    objects.put(
      own('v1', 'Namespace', 'trow'),
      own('v1', 'Namespace', 'trow-node'),
      own('v1', 'Service', 'trow', 'trow'),
      own('apps/v1', 'StatefulSet', 'trow', 'trow'),
      own('apps/v1', 'DaemonSet', 'trow-node', 'trow-node'),
      own('v1', 'ConfigMap', 'trow-orders', 'trow', { data: { 'settings.json': '{"mode":"trust"}' } }),
      own('rbac.authorization.k8s.io/v1', 'ClusterRole', 'trow-puller'),
      own('rbac.authorization.k8s.io/v1', 'RoleBinding', 'trow-authentication-reader', 'kube-system'),
      own('admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration', 'trow'),
      own('v1', 'PersistentVolumeClaim', 'data-trow-0', 'trow'),
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'trow' } },
      own('v1', 'Service', 'other', 'somebody'),
      nodeObject('n1'),
      reportObject('n1', clock),
    )
  })

  test('the webhooks go before the admission pods, and an opening of break-glass does not wait for the next install', async () => {
    objects.put(own('apps/v1', 'Deployment', 'trow-admission', 'trow'), {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'break-glass', namespace: 'trow' },
    })
    const plan = await planUninstall(parts(), { ...options, keepNamespace: true })
    await uninstall(parts(), { plan, deadline: clock + 60_000 })
    const { writes } = objects
    const at = (end: string): number => writes.findIndex((each) => each.endsWith(end))
    const first = at('delete ValidatingWebhookConfiguration trow')
    assert.ok(first >= 0 && first < at('delete Deployment trow/trow-admission'), writes.join('\n'))
    assert.ok(at('delete ConfigMap trow/break-glass') >= 0)
  })

  test('webhooks go first, then the nodes are taken back, then workloads, namespaces last', async () => {
    const plan = await planUninstall(parts(), { ...options, purge: true })
    assert.equal(kindsOf(plan)[0], 'ValidatingWebhookConfiguration')
    assert.deepEqual(kindsOf(plan).slice(-2), ['Namespace', 'Namespace'])
    assert.deepEqual(await uninstall(parts(), { plan, deadline: clock + 60_000 }), [])
    const [first, second, third] = objects.writes
    assert.equal(first, 'delete ValidatingWebhookConfiguration trow')
    assert.equal(second, 'patch ConfigMap trow/trow-orders')
    assert.equal(third, 'delete DaemonSet trow-node/trow-node')
    assert.deepEqual(objects.all, ['Service somebody/other', 'Node n1'])
  })

  test('the floor goes before the nodes, when nobody has the right to make it again, and its definition always', async () => {
    const registration = 'admissionregistration.k8s.io/v1'
    const policies = 'policy.trow.io/v1alpha1'
    objects.put(
      own('apps/v1', 'Deployment', 'trow-admission', 'trow'),
      own('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'trow-admission'),
      own(registration, 'ValidatingAdmissionPolicy', 'trow-floor'),
      own(registration, 'ValidatingAdmissionPolicyBinding', 'trow-floor'),
      own(policies, 'TrowFloor', 'trow'),
      own('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'trowfloors.policy.trow.io'),
      own('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'trowpolicies.policy.trow.io'),
      own(policies, 'TrowPolicy', 'production'),
    )
    const plan = await planUninstall(parts(), options)
    assert.ok(kindsOf(plan).includes('CustomResourceDefinition'))
    assert.match(plan.kept[0] ?? '', /trowpolicies\.policy\.trow\.io with 1 of its objects/)
    // A write that was on its way comes after the removal.
    let isLate = false
    objects.fault = (verb, kind) => {
      if (verb !== 'delete' || kind !== 'DaemonSet' || isLate) return
      isLate = true
      objects.put(own(registration, 'ValidatingAdmissionPolicyBinding', 'trow-floor'))
    }
    await uninstall(parts(), { plan, deadline: clock + 60_000 })
    assert.deepEqual(objects.writes.slice(0, 7), [
      'delete ValidatingWebhookConfiguration trow',
      'delete Deployment trow/trow-admission',
      'delete ClusterRoleBinding trow-admission',
      'delete ValidatingAdmissionPolicyBinding trow-floor',
      'delete ValidatingAdmissionPolicy trow-floor',
      'delete TrowFloor trow',
      'patch ConfigMap trow/trow-orders',
    ])
    assert.ok(isLate)
    const left = objects.all.filter((each) => /floor|trow-admission/i.test(each))
    assert.deepEqual(left, [])
  })

  test('an API server that is away for most of a minute is waited for, wherever the uninstall is', async () => {
    for (const at of [
      'patch ConfigMap',
      'list ConfigMap',
      'delete StatefulSet',
      'delete Namespace',
      'get Namespace',
    ]) {
      objects.put(
        own('v1', 'Namespace', 'trow'),
        own('v1', 'Namespace', 'trow-node'),
        own('apps/v1', 'StatefulSet', 'trow', 'trow'),
        own('apps/v1', 'DaemonSet', 'trow-node', 'trow-node'),
        own('v1', 'ConfigMap', 'trow-node', 'trow-node', { data: { 'settings.json': '{"mode":"trust"}' } }),
        nodeObject('n1'),
        reportObject('n1', clock),
      )
      const plan = await planUninstall(parts(), { ...options, purge: true })
      let back = Infinity
      const said: string[] = []
      objects.fault = (verb, kind) => {
        if (`${verb} ${kind}` === at && back === Infinity) back = clock + 45_000
        if (back !== Infinity && clock < back)
          throw new ClusterFault('unreachable', 'no answer from https://fake')
      }
      const given = { ...parts(), say: (text: string) => void said.push(text) }
      assert.deepEqual(await uninstall(given, { plan, deadline: clock + 180_000 }), [], at)
      objects.fault = () => {}
      assert.ok(!objects.all.includes('StatefulSet trow/trow'), at)
      assert.equal(said.filter((line) => line.includes('asked again until it answers')).length, 1, at)
    }
  })

  test('after an outage, nodes are waited for that are not Ready yet or have not reported', async () => {
    for (const late of ['node', 'report', 'both'] as const) {
      const plan = await planUninstall(parts(), options)
      const begin = clock
      let back = Infinity
      objects.fault = (verb, kind) => {
        if (`${verb} ${kind}` === 'patch ConfigMap' && back === Infinity) back = clock + 150_000
        if (back === Infinity || clock >= back) return
        // A server that is silent costs each request all its time.
        if (late === 'both') clock += 30_000
        throw new ClusterFault('unreachable', 'no answer from https://fake')
      }
      const given = {
        ...parts(),
        async pause(milliseconds: number) {
          clock += milliseconds
          if (back === Infinity || clock < back) return
          const isOver = clock - back > 20_000
          if (late !== 'report') objects.put(nodeObject('n1', isOver))
          if (isOver) objects.put(reportObject('n1', clock, { phase: 'undone' }))
          else if (late !== 'node') objects.put(reportObject('n1', begin - 120_000))
        },
      }
      // The outage alone is longer than the time that the nodes have.
      assert.deepEqual(await uninstall(given, { plan, deadline: clock + 100_000 }), [], late)
      assert.ok(clock - back < 30_000)
      objects.fault = () => {}
      objects.put(
        own('apps/v1', 'DaemonSet', 'trow-node', 'trow-node'),
        own('v1', 'ConfigMap', 'trow-orders', 'trow', { data: { 'settings.json': '{"mode":"trust"}' } }),
        nodeObject('n1'),
        reportObject('n1', clock),
      )
    }
  })

  test('a node that is lost meanwhile is waited for a minute, and one that was lost before is not', async () => {
    objects.put(nodeObject('n1', false))
    const before = clock
    following = false
    const plan = await planUninstall(parts(), options)
    assert.deepEqual(await uninstall(parts(), { plan, deadline: clock + 180_000 }), ['n1'])
    assert.equal(clock, before)

    objects.put(
      own('apps/v1', 'DaemonSet', 'trow-node', 'trow-node'),
      own('v1', 'ConfigMap', 'trow-orders', 'trow', { data: { 'settings.json': '{"mode":"trust"}' } }),
      nodeObject('n1'),
      reportObject('n1', clock),
    )
    const losing = {
      ...parts(),
      async pause(milliseconds: number) {
        clock += milliseconds
        objects.put(nodeObject('n1', false))
      },
    }
    const next = await planUninstall(parts(), options)
    assert.deepEqual(await uninstall(losing, { plan: next, deadline: clock + 180_000 }), ['n1'])
    assert.ok(clock - before >= 60_000 && clock - before < 70_000)
  })

  test('agents of the release before are told too, and alone where there are no others', async () => {
    const data = { 'settings.json': '{"mode":"trust","hosts":["trow.trow.svc"]}' }
    const told = async (name: string, namespace: string): Promise<unknown> => {
      const map = await objects.get({ apiVersion: 'v1', kind: 'ConfigMap', name, namespace })
      return map?.['data']
    }
    const undone = { 'settings.json': /"mode": "undo"/ }
    objects.put(own('v1', 'ConfigMap', 'trow-node', 'trow-node', { data }))
    const seen: unknown[] = []
    const watching = {
      ...parts(),
      async pause() {
        seen.push(await told('trow-node', 'trow-node'), await told('trow-orders', 'trow'))
        objects.put(reportObject('n1', clock, { phase: 'undone' }))
      },
    }
    const plan = await planUninstall(parts(), options)
    assert.deepEqual(await uninstall(watching, { plan, deadline: clock + 60_000 }), [])
    assert.equal(seen.length, 2)
    for (const each of seen)
      assert.match((each as Record<string, string>)['settings.json'] ?? '', undone['settings.json'])

    objects.put(
      own('apps/v1', 'DaemonSet', 'trow-node', 'trow-node'),
      own('v1', 'ConfigMap', 'trow-node', 'trow-node', { data }),
      reportObject('n1', clock),
    )
    const last = await planUninstall(parts(), options)
    assert.deepEqual(await uninstall(parts(), { plan: last, deadline: clock + 60_000 }), [])
    assert.ok(objects.writes.includes('patch ConfigMap trow-node/trow-node'))
  })

  test('what binds agents to their nodes goes after the nodes were taken back', async () => {
    const group = 'admissionregistration.k8s.io/v1'
    objects.put(
      own(group, 'ValidatingAdmissionPolicy', 'trow-node'),
      own(group, 'ValidatingAdmissionPolicyBinding', 'trow-node'),
    )
    const plan = await planUninstall(parts(), options)
    await uninstall(parts(), { plan, deadline: clock + 60_000 })
    const [told, ...gone] = objects.writes.slice(1)
    assert.equal(told, 'patch ConfigMap trow/trow-orders')
    for (const kind of ['ValidatingAdmissionPolicy', 'ValidatingAdmissionPolicyBinding'])
      assert.ok(gone.includes(`delete ${kind} trow-node`))
  })

  test('the data stays, and the namespace with it, unless it is purged', async () => {
    const plan = await planUninstall(parts(), options)
    assert.deepEqual(plan.kept, [
      'PersistentVolumeClaim trow/data-trow-0: --purge deletes the data',
      'Namespace trow: the data is in it',
    ])
    const data = { version: '0.2.0', schema: '8' }
    objects.put(own('v1', 'ConfigMap', 'trow-install', 'trow', { data }))
    await uninstall(parts(), { plan, deadline: clock + 60_000 })
    assert.deepEqual(await notedDataVersion(objects, 'trow'), { version: '0.2.0', schema: 8 })
    assert.ok(objects.all.includes('PersistentVolumeClaim trow/data-trow-0'))
    assert.ok(!objects.all.includes('Namespace trow-node'))
  })

  test('policies stay with their definitions unless they are purged, and a kind without objects goes', async () => {
    const group = 'apiextensions.k8s.io/v1'
    const kind = 'CustomResourceDefinition'
    const policy = { apiVersion: 'policy.trow.io/v1alpha1', kind: 'TrowPolicy', metadata: { name: 'mine' } }
    objects.put(
      own(group, kind, 'trowpolicies.policy.trow.io'),
      own(group, kind, 'trowexceptions.policy.trow.io'),
      policy,
    )
    const definitionsIn = ({ objects: all }: UninstallPlan): string[] =>
      all.filter((each) => each.kind === kind).map(({ name }) => name)
    const plan = await planUninstall(parts(), options)
    assert.deepEqual(definitionsIn(plan), ['trowexceptions.policy.trow.io'])
    assert.equal(plan.policies, 0)
    assert.ok(
      plan.kept.includes(`${kind} trowpolicies.policy.trow.io with 1 of its objects: --purge deletes them`),
    )
    const purging = await planUninstall(parts(), { ...options, purge: true })
    assert.deepEqual(definitionsIn(purging), ['trowpolicies.policy.trow.io', 'trowexceptions.policy.trow.io'])
    assert.equal(purging.policies, 1)
    await uninstall(parts(), { plan, deadline: clock + 60_000 })
    assert.ok(objects.all.includes('TrowPolicy mine'))
    assert.ok(objects.all.includes(`${kind} trowpolicies.policy.trow.io`))
  })

  test('a folder of a node is named: no deletion takes it away', async () => {
    const matchExpressions = [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['n1'] }]
    const spec = {
      local: { path: '/srv/trow' },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } },
    }
    objects.put(own('v1', 'PersistentVolume', 'trow-data', undefined, { spec }))
    const { kept } = await planUninstall(parts(), { ...options, purge: true })
    assert.deepEqual(kept, ['folder /srv/trow of n1: rm -r it there deletes the data'])
  })

  test('a node that does not answer is named, and the rest goes on at the deadline', async () => {
    following = false
    objects.put(nodeObject('n2', false), reportObject('n2', clock - 600_000), windowsNode('w1'))
    const plan = await planUninstall(parts(), options)
    const before = clock
    assert.deepEqual(await uninstall(parts(), { plan, deadline: clock + 30_000 }), ['n1', 'n2'])
    assert.ok(clock - before >= 30_000)
    assert.ok(!objects.all.includes('StatefulSet trow/trow'))
  })

  test('a node that never had an agent has nothing to take back', async () => {
    objects.put(nodeObject('n2'))
    const plan = await planUninstall(parts(), options)
    assert.deepEqual(await uninstall(parts(), { plan, deadline: clock + 30_000 }), [])
  })

  test('who uses its images is told', async () => {
    const pod = (name: string, namespace: string, image: string): object => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: { nodeName: 'n1', containers: [{ image }] },
    })
    objects.put(
      pod('web', 'team-a', 'trow.trow.svc/team-a/web:1'),
      pod('db', 'team-a', 'docker.io/library/postgres:18'),
      pod('near', 'team-a', 'trow.trow.svc.example.com/a:1'),
      pod('trow-0', 'trow', 'trow.trow.svc/trow/trow:1'),
    )
    assert.deepEqual((await planUninstall(parts(), options)).users, ['team-a/web (n1)'])
  })

  test('where there is nothing, nothing is planned', async () => {
    objects = new FakeObjects()
    assert.deepEqual(await planUninstall(parts(), options), {
      users: [],
      objects: [],
      kept: [],
      claims: [],
      policies: 0,
    })
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApplyConflict } from '../../src/cluster/cluster-objects.ts'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import { canaryImage, canaryReference } from '../../src/oci/canary-image.ts'
import { readForReset, readRemembered } from '../../src/install/remembered.ts'
import { readTemplate } from '../../src/install/template.ts'
import { codeIs, prepare } from './fake-install.ts'

test('a first install: in the safe order, and every node has pulled', async () => {
  const run = prepare()
  await run.go()
  const order = run.cluster.writes
  const place = (name: string): number => order.findIndex((each) => each.endsWith(` ${name}`))
  const wanted = [
    'Namespace trow',
    'Service trow/trow',
    'Secret trow/trow-ca',
    'ConfigMap trow/trow-ca',
    'ConfigMap trow/trow-config',
    'ConfigMap trow/trow-orders',
    'DaemonSet trow-node/trow-node',
    'StatefulSet trow/trow',
  ].map(place)
  assert.deepEqual(
    wanted,
    [...wanted].sort((one, other) => one - other),
  )
  assert.ok(wanted.every((at) => at >= 0))
  assert.equal(run.pushes.length, 1)
})

test('the second install writes nothing at all, and keeps the CA', async () => {
  const run = prepare()
  await run.go()
  run.cluster.writes.length = 0
  await run.go()
  assert.deepEqual(run.cluster.writes, [])
  assert.equal(run.pushes.length, 2)
})

const policies = { apiVersion: 'policy.trow.io/v1alpha1', kind: 'TrowPolicy' } as const

test('a first install brings the definitions of policies before who needs them, and one policy, in audit mode', async () => {
  const run = prepare()
  await run.go()
  const place = (name: string): number => run.cluster.writes.findIndex((each) => each === `apply ${name}`)
  const wanted = [
    'CustomResourceDefinition trowpolicies.policy.trow.io',
    'TrowPolicy baseline',
    'ClusterRole trow-registry',
    'StatefulSet trow/trow',
  ].map(place)
  assert.ok(
    wanted.every((at, index) => at > (wanted[index - 1] ?? -1)),
    String(wanted),
  )
  const [baseline, ...more] = await run.cluster.list(policies)
  assert.deepEqual(more, [])
  assert.deepEqual(baseline?.['spec'], readTemplate('baseline')[0]?.['spec'])
})

test('the first policy is made once: not over what a user made of it, not where there is one, not after it was deleted', async () => {
  const named = { ...policies, name: 'baseline' }
  const run = prepare()
  await run.go()
  const changed = { ...(await run.cluster.get(named)), spec: { mode: 'enforce', default: 'pass' } }
  run.cluster.put(changed)
  await run.go({}, { version: '0.2.0' })
  assert.deepEqual((await run.cluster.get(named))?.['spec'], changed.spec)
  await run.cluster.delete(named)
  await run.go()
  assert.equal(await run.cluster.get(named), undefined)

  const other = prepare()
  other.cluster.put({ ...policies, metadata: { name: 'mine' }, spec: {} })
  await other.go()
  assert.deepEqual(
    (await other.cluster.list(policies)).map(({ metadata }) => metadata.name),
    ['mine'],
  )
  await other.cluster.delete({ ...policies, name: 'mine' })
  await other.go()
  assert.deepEqual(await other.cluster.list(policies), [])
})

test('an install whose memory is of a release without policies gets the first one', async () => {
  const run = prepare()
  await run.go()
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'trow-install', namespace: 'trow' }
  const map = await run.cluster.get(reference)
  assert.ok(map !== undefined)
  const { baseline: _settled, ...data } = map['data'] as Record<string, string>
  run.cluster.put({ ...map, data })
  await run.cluster.delete({ ...policies, name: 'baseline' })
  await run.go({}, { version: '0.2.0' })
  assert.ok(await run.cluster.get({ ...policies, name: 'baseline' }))
  assert.equal((await readRemembered(run.cluster, 'trow'))?.baseline, true)
})

test('what the API server does not come to serve is waited for, and named', async () => {
  const run = prepare()
  run.cluster.serves = (name) => name !== 'trowexceptions.policy.trow.io'
  await assert.rejects(
    run.go(),
    codeIs(
      'INSTALL_TIMED_OUT',
      75,
      'CustomResourceDefinition trowexceptions.policy.trow.io: the API server does not',
    ),
  )
  assert.ok(!run.cluster.writes.includes('apply StatefulSet trow/trow'))
})

test('a name of another definition that is in the way is told', async () => {
  const run = prepare()
  run.cluster.serves = () => false
  const conditions = [
    { type: 'NamesAccepted', status: 'False', message: 'plural name "trowpolicies" is already in use' },
    { type: 'Established', status: 'False', message: 'not all names are accepted' },
  ]
  const metadata = { name: 'trowpolicies.policy.trow.io' }
  const definition = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata }
  run.cluster.put({ ...definition, status: { conditions } })
  await assert.rejects(
    run.go(),
    codeIs('INSTALL_TIMED_OUT', 75, 'plural name "trowpolicies" is already in use'),
  )
})

test('definitions that an uninstall has left on their way out are brought again', async () => {
  const run = prepare()
  const reference = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    name: 'trowpolicies.policy.trow.io',
  }
  const { apiVersion, kind, name } = reference
  const deletionTimestamp = '2026-11-24T12:00:00Z'
  run.cluster.put({ apiVersion, kind, metadata: { name, deletionTimestamp } })
  const sleep = run.sleep.bind(run)
  let slept = 0
  run.sleep = async (milliseconds) => {
    if (slept++ === 3) await run.cluster.delete(reference)
    await sleep(milliseconds)
  }
  await run.go()
  assert.equal((await run.cluster.get(reference))?.metadata.deletionTimestamp, undefined)
  assert.ok(run.states.some((text) => text.includes('it is being deleted with its objects')))
})

test('an upgrade brings the agents before the registry', async () => {
  const run = prepare()
  await run.go()
  run.cluster.writes.length = 0
  run.steps.length = 0
  await run.go(
    {},
    { image: { reference: 'trow.test/trow:2', isDefault: false }, version: '0.2.0', schema: 8 },
  )
  const workloads = run.cluster.writes.filter((each) => /Set /.test(each))
  assert.deepEqual(workloads, ['apply DaemonSet trow-node/trow-node', 'apply StatefulSet trow/trow'])
  const remembered = await readRemembered(run.cluster, 'trow')
  assert.deepEqual([remembered?.version, remembered?.schema], ['0.2.0', 8])
})

test('agents of the release before find their orders until the last of them is replaced', async () => {
  const run = prepare()
  const before = { apiVersion: 'v1', kind: 'ConfigMap', name: 'trow-node', namespace: 'trow-node' }
  const now = { ...before, name: 'trow-orders', namespace: 'trow' }
  const dataOf = async (reference: typeof before): Promise<unknown> =>
    (await run.cluster.get(reference))?.['data']
  const { name, namespace } = before
  run.cluster.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: {} })
  // A pod on a node that was away, which is still being deleted.
  const late = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'late',
      namespace,
      labels: { 'app.kubernetes.io/name': 'trow', 'app.kubernetes.io/component': 'node' },
    },
    spec: { nodeName: 'n3', containers: [{ name: 'trow', args: ['trust-node', '--watch'] }] },
  }
  run.cluster.put(late)
  await run.go()
  assert.deepEqual(await dataOf(before), await dataOf(now))
  await run.cluster.delete({ ...before, kind: 'Pod', name: 'late' })
  await run.go()
  assert.equal(await dataOf(before), undefined)
  assert.notEqual(await dataOf(now), undefined)
})

test('a start from the defaults still knows which trow was there, be its settings readable or not', async () => {
  const run = prepare()
  await run.go({}, { version: '0.2.0', schema: 8 })
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'trow-install', namespace: 'trow' }
  const map = await run.cluster.get(reference)
  for (const text of [undefined, '{"version":2}']) {
    if (text !== undefined)
      run.cluster.put({ ...map, data: { ...(map?.['data'] as object), 'settings.json': text } })
    const remembered = await readForReset(run.cluster, 'trow')
    assert.deepEqual([remembered?.version, remembered?.schema], ['0.2.0', 8])
    assert.equal(remembered?.settings?.namespace, text === undefined ? 'trow' : undefined)
  }
  await assert.rejects(readRemembered(run.cluster, 'trow'), codeIs('INSTALL_UNREADABLE', 1))
})

test('an upgrade whose agents do not start leaves the registry as it is', async () => {
  const run = prepare()
  await run.go()
  run.cluster.writes.length = 0
  run.cluster.podStatus = (name) =>
    name.startsWith('trow-node-') ? { phase: 'Pending', conditions: [] } : undefined
  await assert.rejects(
    run.go({}, { image: { reference: 'trow.test/trow:2', isDefault: false }, version: '0.2.0' }),
    codeIs('INSTALL_TIMED_OUT', 75, 'n1', 'n2'),
  )
  assert.ok(!run.cluster.writes.includes('apply StatefulSet trow/trow'))
  assert.equal((await readRemembered(run.cluster, 'trow'))?.version, '0.1.0')
})

test('an API server that is away for most of a minute is waited for', async () => {
  const run = prepare()
  let refused = 0
  run.cluster.fault = (verb, kind) => {
    if (verb === 'apply' && kind === 'StatefulSet' && refused++ < 45)
      throw new ClusterFault('unreachable', 'no answer')
  }
  await run.go()
  assert.ok(refused > 45)
})

test('an API server that stays away: 69, and the next install goes on', async () => {
  const run = prepare()
  run.cluster.fault = (verb, kind) => {
    if (verb === 'apply' && kind === 'StatefulSet') throw new ClusterFault('unreachable', 'no answer')
  }
  await assert.rejects(run.go(), codeIs('CLUSTER_UNREACHABLE', 69, 'StatefulSet trow', 'trow install again'))
  run.cluster.fault = () => {}
  await run.go()
})

test('forbidden in one kind: 77, and the kind is named', async () => {
  const run = prepare()
  run.cluster.fault = (verb, kind) => {
    if (verb === 'apply' && kind === 'NetworkPolicy')
      throw new ClusterFault('forbidden', 'networkpolicies is forbidden', { status: 403 })
  }
  await assert.rejects(run.go(), codeIs('CLUSTER_NOT_PERMITTED', 77, 'NetworkPolicy trow in trow'))
})

test('a conflict names object, owner and field', async () => {
  const run = prepare()
  run.cluster.fault = (verb, kind, name) => {
    if (verb === 'apply' && kind === 'Service' && name === 'trow')
      throw new ApplyConflict({ apiVersion: 'v1', kind, name, namespace: 'trow' }, [
        { manager: 'kubectl-edit', field: '.spec.type' },
      ])
  }
  await assert.rejects(
    run.go(),
    codeIs('APPLY_CONFLICT', 1, 'Service trow in trow', 'kubectl-edit', '.spec.type', '--force-conflicts'),
  )
})

test('a volume claim that stays pending: 75, and its event is in the message', async () => {
  const run = prepare()
  const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim' }
  run.cluster.put(
    { ...claim, metadata: { name: 'data-trow-0', namespace: 'trow' }, status: { phase: 'Pending' } },
    {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e', namespace: 'trow' },
      reason: 'ProvisioningFailed',
      message: 'quota of disks exceeded',
    },
  )
  run.cluster.podStatus = (name) =>
    name === 'trow-0'
      ? {
          phase: 'Pending',
          conditions: [
            { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'unbound claims' },
          ],
        }
      : undefined
  const put = run.cluster.put.bind(run.cluster)
  run.cluster.put = (...objects) =>
    put(
      ...objects.map((object) => {
        const { kind, metadata } = object as { kind: string; metadata: { name: string } }
        const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data-trow-0' } }]
        return kind === 'Pod' && metadata.name === 'trow-0' ? { ...object, spec: { volumes } } : object
      }),
    )
  await assert.rejects(
    run.go(),
    codeIs('INSTALL_TIMED_OUT', 75, 'unbound claims', 'data-trow-0 is Pending', 'quota of disks exceeded'),
  )
})

test('an image that a node cannot pull: named with the ways to bring it, and no namespace is left', async () => {
  const run = prepare()
  const message = 'manifest unknown'
  run.cluster.podStatus = (name) =>
    name.startsWith('trow-trial')
      ? {
          phase: 'Pending',
          containerStatuses: [{ name: 'trow', state: { waiting: { reason: 'ImagePullBackOff', message } } }],
        }
      : undefined
  await assert.rejects(
    run.go({}, { image: { reference: 'ghcr.io/nobody/trow:9', isDefault: true } }),
    codeIs('IMAGE_UNPULLABLE', 1, 'n1', message, 'trow image load', 'trow image save', 'trow image push'),
  )
  assert.deepEqual(
    run.cluster.all.filter((each) => /^(Namespace|Pod) /.test(each)),
    [],
  )
})

test('an image that a node cannot pull: the cause is what the kubelet said, while it tries and in the end', async () => {
  const run = prepare()
  const cause = 'Failed to pull image "ghcr.io/nobody/trow:9": dial tcp: lookup ghcr.io: no such host'
  const waiting = (reason: string, message: string): object => ({
    phase: 'Pending',
    containerStatuses: [
      { name: 'trow', ready: false, restartCount: 0, state: { waiting: { reason, message } } },
    ],
  })
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'trow' },
    reason: 'Failed',
  }
  run.cluster.podStatus = (name) =>
    name.startsWith('trow-trial') ? waiting('ErrImagePull', 'lookup ghcr.io: no such host') : undefined
  const { sleep } = run
  run.sleep = async (milliseconds) => {
    await sleep(milliseconds)
    run.cluster.put({ ...event, message: cause })
    run.cluster.podStatus = () =>
      waiting('ImagePullBackOff', 'Back-off pulling image "ghcr.io/nobody/trow:9"')
    for (const index of [0, 1]) await run.cluster.start(`trow-trial-${index}`, 'trow')
  }
  await assert.rejects(
    run.go({}, { image: { reference: 'ghcr.io/nobody/trow:9', isDefault: true } }),
    codeIs(
      'IMAGE_UNPULLABLE',
      1,
      'Back-off pulling image "ghcr.io/nobody/trow:9": Failed to pull',
      'no such host',
    ),
  )
  assert.match(
    run.states.join('\n'),
    /^n1, n2: pulls ghcr.io.*: ErrImagePull: lookup ghcr\.io: no such host$/m,
  )
})

test('a controller manager that is slow to give new namespaces their account is waited for', async () => {
  const run = prepare()
  run.cluster.accountDelay = 20_000
  await run.go(
    { storage: { kind: 'local', path: '/srv/trow', size: '1Gi', node: 'n1' } },
    { image: { reference: 'ghcr.io/nobody/trow:9', isDefault: true } },
  )
  for (const pod of ['trow/trow-trial-0', 'trow/trow-trial-1', 'trow-node/trow-folder'])
    for (const verb of ['apply', 'delete'])
      assert.equal(
        run.cluster.writes.filter((each) => each === `${verb} Pod ${pod}`).length,
        1,
        `${verb} ${pod}`,
      )
  assert.ok(run.states.includes('namespace trow has no ServiceAccount default yet'))
})

test('a node that is not Ready is not waited for', async () => {
  const run = prepare()
  run.cluster.put(run.cluster.node('n3', false))
  await run.go()
})

test('a node that does not report is named, and the others are proved: 79; none does: 75', async () => {
  const run = prepare()
  run.cluster.report = (node) => (node === 'n2' ? false : {})
  await assert.rejects(
    run.go(),
    codeIs('NODES_NOT_PULLING', 79, '1 of 2 nodes', 'n2: its agent has not reported'),
  )
  run.cluster.report = () => false
  for (const name of ['node-n1', 'node-n2'])
    await run.cluster.delete({ apiVersion: 'v1', kind: 'ConfigMap', name, namespace: 'trow-node' })
  await assert.rejects(run.go(), codeIs('NODES_NOT_PULLING', 75, '2 of 2 nodes', 'n1, n2: its agent has'))
})

test('a node whose runtime reads no folder is named with its hint, without waiting: 79', async () => {
  const run = prepare()
  const problem = {
    code: 'CONFIG_PATH_UNSET',
    message: 'config_path is not set',
    hint: 'trow install --restart-runtime',
    fatal: true,
  }
  run.cluster.report = (node) =>
    node === 'n2' ? { class: 'unset', phase: 'problem', canary: undefined, problems: [problem] } : {}
  await assert.rejects(run.go(), codeIs('NODES_NOT_PULLING', 79, 'n2: config_path is not set', problem.hint))
})

test('a pull that failed and a report that is old do not count', async () => {
  const time = '2026-11-24T12:00:00.000Z'
  const image = `trow.trow.svc/${canaryReference(canaryImage())}`
  const failed = { canary: { time, image, ok: false, milliseconds: 3, error: 'x509: unknown authority' } }
  for (const [change, word] of [
    [failed, 'x509'],
    [{ time: '2026-11-24T11:00:00.000Z' }, 'last reported'],
  ] as const) {
    const run = prepare()
    run.cluster.report = (node) => (node === 'n2' ? change : {})
    await assert.rejects(run.go(), codeIs('NODES_NOT_PULLING', 79, 'n2', word))
  }
})

test('a bundle of an older generation does not count', async () => {
  const run = prepare()
  run.cluster.report = (node) => (node === 'n2' ? { generation: { written: 0, effective: 0 } } : {})
  await assert.rejects(run.go(), codeIs('NODES_NOT_PULLING', 79, 'n2'))
})

test('cut off after any write, the next install ends as one that was never cut off', async () => {
  const whole = prepare()
  await whole.go()
  const all = whole.cluster.all.filter((each) => !each.includes('Pod ')).sort()
  for (let cut = 1; cut <= whole.cluster.writes.length; cut++) {
    const run = prepare()
    run.cluster.fault = () => {
      if (run.cluster.writes.length >= cut) run.stop.abort(new Error('Ctrl-C'))
      run.stop.signal.throwIfAborted()
    }
    await assert.rejects(run.go(), { message: 'Ctrl-C' })
    const again = prepare()
    again.cluster.put(...run.cluster.objects)
    await again.go()
    assert.deepEqual(again.cluster.all.filter((each) => !each.includes('Pod ')).sort(), all, `after ${cut}`)
  }
})

test('an address that another Service has taken meanwhile: the registry gets another, and everybody is told', async () => {
  const run = prepare()
  await run.go()
  const service = { apiVersion: 'v1', kind: 'Service', name: 'trow', namespace: 'trow' }
  await run.cluster.delete(service)
  run.cluster.put({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { clusterIP: '10.96.12.7' },
  })
  run.cluster.freeAddress = '10.96.44.4'
  await run.go()
  assert.deepEqual((await readRemembered(run.cluster, 'trow'))?.clusterIps, ['10.96.44.4'])
  const told = await run.cluster.get({
    ...service,
    kind: 'ConfigMap',
    name: 'trow-orders',
    namespace: 'trow',
  })
  assert.match(JSON.stringify(told?.['data']), /10\.96\.44\.4/)
  assert.doesNotMatch(JSON.stringify(told?.['data']), /10\.96\.12\.7/)
})

test('a Service that was lost gets its address again', async () => {
  const run = prepare()
  await run.go()
  await run.cluster.delete({ apiVersion: 'v1', kind: 'Service', name: 'trow', namespace: 'trow' })
  run.cluster.freeAddress = '10.96.44.4'
  await run.go()
  assert.deepEqual((await readRemembered(run.cluster, 'trow'))?.clusterIps, ['10.96.12.7'])
})

test('a pod that admission refuses to somebody who may create pods: no right is missing', async () => {
  const run = prepare()
  run.cluster.fault = (verb, kind) => {
    if (verb === 'apply' && kind === 'Pod')
      throw new ClusterFault('forbidden', 'maximum cpu usage per Container is 100m', { status: 403 })
  }
  const options = { image: { reference: 'ghcr.io/nobody/trow:9', isDefault: true } }
  await assert.rejects(
    run.go({}, options),
    codeIs('PODS_REFUSED', 79, 'maximum cpu usage', 'kubectl -n trow get limitrange,resourcequota'),
  )
  run.cluster.rights = () => false
  await assert.rejects(run.go({}, options), codeIs('CLUSTER_NOT_PERMITTED', 77, 'maximum cpu usage'))
})

test('--prune removes what an earlier install had, and nothing else', async () => {
  const run = prepare()
  await run.go({ clients: ['dev'] })
  await run.go({ clients: [] })
  assert.ok(run.cluster.all.includes('RoleBinding trow/trow-clients'))
  run.cluster.writes.length = 0
  await run.go({ clients: [] }, { prune: true })
  assert.deepEqual(run.cluster.writes, ['delete RoleBinding trow/trow-clients'])
})

test('a CA that was lost is replaced, and the old one stays trusted', async () => {
  const run = prepare()
  await run.go()
  const bundle = { apiVersion: 'v1', kind: 'ConfigMap', name: 'trow-ca', namespace: 'trow' }
  const before = (await run.cluster.get(bundle))?.['data'] as Record<string, string>
  await run.cluster.delete({ ...bundle, kind: 'Secret' })
  await run.go()
  const after = (await run.cluster.get(bundle))?.['data'] as Record<string, string>
  assert.equal(after['generation'], '2')
  assert.ok(after['ca.crt']?.endsWith(before['ca.crt'] ?? '?'))
  assert.notEqual(after['ca.crt'], before['ca.crt'])
})

test('a host that the CA may not speak for is refused', async () => {
  const run = prepare()
  await run.go()
  const writes = run.cluster.writes.length
  await assert.rejects(
    run.go({ host: 'registry.example.com' }),
    codeIs('CA_TOO_NARROW', 1, 'registry.example.com', 'rotate --wait --host registry.example.com'),
  )
  assert.equal(run.cluster.writes.length, writes, 'something was changed')
  await run.go({ host: 'registry.example.com', tlsSecret: 'mine' })
})

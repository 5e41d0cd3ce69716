import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { ApplyConflict, type KubeChange, type KubeObject } from '../../src/cluster/cluster-objects.ts'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import { loadKubeContext } from '../../src/cluster/kubeconfig.ts'
import { connectObjects, type OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import { Cluster } from './cluster.ts'
import { eventually } from '../support/program.ts'
import { clusterProblem } from './requirements.ts'

const namespace = 'objects-test'
const crd = 'things.objects-test.trow.io'

suite('objects of a real API server', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  let kubeconfig: string
  let objects: OpenClusterObjects
  const opened: OpenClusterObjects[] = []

  async function connect(as?: string, asGroups?: readonly string[]): Promise<OpenClusterObjects> {
    const context = loadKubeContext({ env: {}, cwd: '/', kubeconfig, as, asGroups })
    const credentials = new CredentialSource(context, { env: {}, interactive: false, now: () => Date.now() })
    const connected = await connectObjects({ context, credentials })
    opened.push(connected)
    return connected
  }

  before(async () => {
    cluster = await Cluster.open()
    const server = `https://127.0.0.1:${(await cluster.relay()).port}`
    kubeconfig = await cluster.clientKubeconfig({ user: 'installer', groups: ['system:masters'], server })
    objects = await connect()
    await cluster.emptyNamespace(namespace)
  })
  after(async () => {
    await cluster.kubectl(['delete', 'namespace', namespace, '--ignore-not-found', '--wait=false'])
    await cluster.kubectl(['delete', 'customresourcedefinition', crd, '--ignore-not-found'])
    for (const each of opened) await each.close()
    await cluster.close()
  })

  const reference = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name })
  const configMap = (name: string, data: object): KubeObject => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels: { test: 'objects' } },
    data,
  })

  test('its version, and its clock', async () => {
    const { gitVersion, clock } = await objects.version()
    assert.match(gitVersion, /^v1\./)
    assert.ok(clock !== undefined && Math.abs(clock - Date.now()) < 60_000)
  })

  test('what is applied is there; applied again it stays as it is; deleted it is gone', async () => {
    const made = await objects.apply(configMap('one', { a: '1' }))
    const again = await objects.apply(configMap('one', { a: '1' }))
    assert.equal(again.metadata.resourceVersion, made.metadata.resourceVersion)
    assert.deepEqual((await objects.get(reference('one')))?.['data'], { a: '1' })
    const dry = await objects.apply(configMap('one', { a: '2' }), { dryRun: true })
    assert.deepEqual(dry['data'], { a: '2' })
    assert.deepEqual((await objects.get(reference('one')))?.['data'], { a: '1' })
    const patched = await objects.patch(reference('one'), { data: { b: '2' } })
    assert.deepEqual(patched?.['data'], { a: '1', b: '2' })
    const { uid } = made.metadata
    await assert.rejects(objects.delete(reference('one'), { uid: 'another' }), ClusterFault)
    assert.equal(await objects.delete(reference('one'), uid === undefined ? {} : { uid }), true)
    assert.equal(await objects.delete(reference('one')), false)
    assert.equal(await objects.get(reference('one')), undefined)
  })

  test('fields of others are a conflict unless they are taken over', async () => {
    await cluster.kubectl(['apply', '--server-side', '-f', '-'], {
      stdin: JSON.stringify(configMap('shared', { a: 'theirs' })),
    })
    const ours = configMap('shared', { a: 'ours' })
    await assert.rejects(objects.apply(ours), (error: unknown) => {
      assert.ok(error instanceof ApplyConflict)
      assert.deepEqual(error.owners, [{ manager: 'kubectl', field: '.data.a' }])
      return true
    })
    assert.deepEqual((await objects.apply(ours, { force: true }))['data'], { a: 'ours' })
  })

  test('what was patched by ourselves may be applied again', async () => {
    await objects.apply(configMap('ours', { a: '1' }))
    await objects.patch(reference('ours'), { data: { a: '2' } })
    assert.deepEqual((await objects.apply(configMap('ours', { a: '3' })))['data'], { a: '3' })
  })

  test('lists go over many pages', async () => {
    const namesOf = (found: readonly KubeObject[]) => found.map(({ metadata }) => metadata.name)
    const names = Array.from({ length: 1001 }, (_, index) => `many-${index}`)
    const items = names.map((name) => ({
      ...configMap(name, {}),
      metadata: { name, namespace, labels: { many: 'yes' } },
    }))
    await cluster.kubectl(['create', '-f', '-'], {
      stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    })
    const selection = { apiVersion: 'v1', kind: 'ConfigMap', namespace, labelSelector: 'many=yes' }
    assert.deepEqual(namesOf(await objects.list(selection)).sort(), names.sort())
    await cluster.kubectl(['-n', namespace, 'delete', 'configmap', '-l', 'many=yes', '--wait=false'])
    const nodes = await objects.list({ apiVersion: 'v1', kind: 'Node', fieldSelector: 'metadata.name=n1' })
    assert.deepEqual(namesOf(nodes), ['n1'])
    assert.equal(nodes[0]?.kind, 'Node')
  })

  test('a watch tells what is there and what becomes of it', async () => {
    await objects.apply(configMap('before', {}))
    const told: string[] = []
    const end = new AbortController()
    const selection = { apiVersion: 'v1', kind: 'ConfigMap', namespace, labelSelector: 'test=objects' }
    const onChange = (change: KubeChange): void =>
      void told.push(change.kind === 'synced' ? 'synced' : `${change.kind} ${change.object.metadata.name}`)
    const watching = objects.watch(selection, { onChange }, end.signal)
    await eventually(async () => assert.ok(told.includes('synced')))
    assert.ok(told.includes('present before'))
    await objects.apply(configMap('later', {}))
    await objects.delete(reference('before'))
    await eventually(async () => assert.deepEqual(told.slice(-2), ['present later', 'absent before']))
    end.abort()
    await watching
  })

  test('an object of a definition that was only just applied', async () => {
    const group = 'objects-test.trow.io'
    await objects.apply({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: crd },
      spec: {
        group,
        scope: 'Namespaced',
        names: { kind: 'Thing', plural: 'things', singular: 'thing' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        ],
      },
    })
    const thing = { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 'x', namespace } }
    assert.equal((await objects.apply(thing)).metadata.name, 'x')
    assert.equal((await objects.list({ apiVersion: `${group}/v1`, kind: 'Thing' })).length, 1)
  })

  test('rights are of whom one is, and as whom one asks', async () => {
    const right = { verb: 'create', group: '', resource: 'pods/portforward', namespace }
    assert.equal(await objects.may(right), true)
    const ada = await connect('ada', ['one, two', 'team-a'])
    assert.equal(await ada.may(right), false)
    await cluster.kubectl([
      '-n',
      namespace,
      'create',
      'role',
      'forward',
      '--verb=create',
      '--resource=pods/portforward',
    ])
    const group = ['--role=forward', '--group=team-a']
    await cluster.kubectl(['-n', namespace, 'create', 'rolebinding', 'forward', ...group])
    await eventually(async () => assert.equal(await ada.may(right), true))
    await assert.rejects(ada.list({ apiVersion: 'v1', kind: 'Secret', namespace }), (error: unknown) => {
      assert.ok(error instanceof ClusterFault && error.kind === 'forbidden')
      return true
    })
  })

  test('the last lines of a log', async () => {
    const name = 'talker'
    const command = ['/bin/sh', '-c', 'echo one; echo two; echo three; exec sleep 1000']
    await objects.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image: 'trow.test/busybox:1', command }],
      },
    })
    const read = (previous: boolean) => objects.log({ namespace, name }, { lines: 2, previous })
    await eventually(async () => assert.equal(await read(false), 'two\nthree\n'))
    assert.equal(await read(true), undefined)
    assert.equal(await objects.log({ namespace, name: 'nobody' }, { lines: 1 }), undefined)
  })
})

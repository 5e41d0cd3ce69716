import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import { loadKubeContext } from '../../src/cluster/kubeconfig.ts'
import { connectObjects, type OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import { layoutOf } from '../../src/cluster/layout.ts'
import { clientSet, completeSet } from '../../src/install/client-set.ts'
import { optionSets, type OptionSet } from '../install/option-sets.ts'
import { Cluster } from './cluster.ts'
import { clusterProblem } from './requirements.ts'

const namespace = 'setup-rights'
const { nodeNamespace } = layoutOf(namespace)

/** Makes the requests of trow-setup's Job, to see how a real API server applies resourceNames, also to server-side apply. */
suite('the account of trow-setup', { skip: clusterProblem() }, () => {
  let cluster: Cluster
  const opened: OpenClusterObjects[] = []
  let installer: OpenClusterObjects
  let setup: OpenClusterObjects

  before(async () => {
    cluster = await Cluster.open()
    const server = `https://127.0.0.1:${(await cluster.relay()).port}`
    const kubeconfig = await cluster.clientKubeconfig({
      user: 'installer',
      groups: ['system:masters'],
      server,
    })
    const connect = async (as?: string): Promise<OpenClusterObjects> => {
      const context = loadKubeContext({ env: {}, cwd: '/', kubeconfig, as })
      const credentials = new CredentialSource(context, { env: {}, interactive: false, now: Date.now })
      const connected = await connectObjects({ context, credentials })
      opened.push(connected)
      return connected
    }
    installer = await connect()
    setup = await connect(`system:serviceaccount:${namespace}:trow-setup`)
    const { settings, facts } = optionSets['usual'] as OptionSet
    const all = clientSet({ ...settings, namespace }, facts, { schema: 5, baseline: false })
    const needed = all.filter(
      ({ kind, metadata }) =>
        kind === 'Namespace' || (kind !== 'Job' && ['trow-setup', 'trow-install'].includes(metadata.name)),
    )
    for (const object of needed) await installer.apply(object)
  })
  after(async () => {
    for (const each of [namespace, nodeNamespace])
      await cluster.kubectl(['delete', 'namespace', each, '--ignore-not-found', '--wait=false'])
    for (const each of opened) await each.close()
    await cluster.close()
  })

  test('makes the CA and the orders, and does so again', async () => {
    const known = { version: '0.1.0', crypto: webcrypto as Crypto }
    const { generation } = await completeSet(setup, namespace, known)
    const made = await installer.get({ apiVersion: 'v1', kind: 'Secret', namespace, name: 'trow-ca' })
    assert.ok(made)
    assert.equal((await completeSet(setup, namespace, known)).generation, generation)
    const orders = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'trow-orders' }
    assert.ok(await installer.get(orders))
  })

  test('makes nothing else', async () => {
    const account = `system:serviceaccount:${namespace}:trow-setup`
    assert.equal(await setup.whoAmI(), account)
    for (const kind of ['configmap', 'secret generic'].map((words) => words.split(' ')))
      await assert.rejects(
        cluster.kubectl(['--as', account, '-n', namespace, 'create', ...kind, 'other']),
        ({ stderr }: { readonly stderr: string }) => /forbidden/.test(stderr),
      )
    const object = (kind: string, name: string, more: object = {}): KubeObject => ({
      apiVersion: 'v1',
      kind,
      metadata: { name, namespace },
      ...more,
    })
    const token = {
      metadata: {
        name: 'stolen',
        namespace,
        annotations: { 'kubernetes.io/service-account.name': 'trow-setup' },
      },
      type: 'kubernetes.io/service-account-token',
    }
    for (const each of [
      object('ConfigMap', 'other'),
      object('Secret', 'other'),
      object('Secret', 'stolen', token),
      object('ConfigMap', 'trow-install', { data: { 'settings.json': '{}' } }),
      object('ConfigMap', 'trow-orders', { metadata: { name: 'trow-orders', namespace: nodeNamespace } }),
    ])
      await assert.rejects(
        setup.apply(each),
        (error) => {
          assert.ok(error instanceof ClusterFault)
          assert.equal(error.kind, 'forbidden', error.message)
          return true
        },
        `${each.kind} ${each.metadata.name}`,
      )
  })
})

import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BreakGlass } from '../../../src/admission/break-glass.ts'
import { admissionNames } from '../../../src/cluster/admission-layout.ts'
import type { KubeObject } from '../../../src/cluster/cluster-objects.ts'
import { webhookEntriesOf, type WebhookChange } from '../../../src/cluster/webhook-configuration.ts'
import { WebhookKeeper } from '../../../src/serve/admission/webhook-keeper.ts'
import { quiet } from '../../registry/stores.ts'
import { FakeObjects } from '../../support/fake-objects.ts'
import { installObjects } from '../admission-process.ts'

const open = ['Ignore', 'Ignore', 'Ignore']
const closed = ['Fail', 'Ignore', 'Ignore']

/** Server-side apply merges the entries by their names. */
class Objects extends FakeObjects {
  override apply(object: KubeObject): Promise<KubeObject> {
    const known = this.objects.find(({ kind }) => kind === object.kind)
    const now = entriesOf(object)
    const webhooks = entriesOf(known).map((entry) => {
      const { clientConfig, ...wanted } = now.find(({ name }) => name === entry.name) ?? entry
      return { ...entry, ...wanted, clientConfig: { ...entry.clientConfig, ...clientConfig } }
    })
    return super.apply({ ...object, webhooks })
  }
}

function entriesOf(object: KubeObject | undefined): readonly { name: string; clientConfig: object }[] {
  return (object?.['webhooks'] ?? []) as { name: string; clientConfig: object }[]
}

class Cluster {
  readonly objects = new Objects()
  readonly told: (BreakGlass | undefined)[] = []
  readonly changes: WebhookChange[] = []
  now = Date.parse('2026-11-29T08:00:00Z')
  readonly keeper = new WebhookKeeper({
    objects: this.objects,
    namespace: 'trow',
    now: () => this.now,
    onBreakGlass: (glass) => this.told.push(glass),
    onChange: (change) => this.changes.push(change),
    log: quiet,
  })

  async start(): Promise<this> {
    this.objects.put(...installObjects())
    void this.keeper.follow()
    await sleep(10)
    return this
  }

  wish(data: object): void {
    this.#map(admissionNames.wishes, data)
  }

  breakGlass(data: object): void {
    this.#map(admissionNames.breakGlass, data)
  }

  ready(readyReplicas: number): void {
    const metadata = { name: admissionNames.workload, namespace: 'trow' }
    this.objects.put({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, status: { readyReplicas } })
  }

  /** As another manager than trow's. */
  set(failurePolicy: string, manager: string, time = '2026-11-29T08:01:00Z'): void {
    const object = this.#webhooks
    const webhooks = (object['webhooks'] as object[]).map((each) => ({ ...each, failurePolicy }))
    const fieldsV1 = {
      'f:webhooks': { 'k:{"name":"pods.trow.io"}': { 'f:failurePolicy': {}, 'f:name': {} } },
    }
    const managedFields = [{ manager, operation: 'Update', time, fieldsV1 }]
    this.objects.put({ ...object, metadata: { ...object.metadata, managedFields }, webhooks })
  }

  async policies(bundle = 'ca\n'): Promise<readonly (string | undefined)[]> {
    await this.keeper.keep(bundle)
    return webhookEntriesOf(this.#webhooks).map(({ failurePolicy }) => failurePolicy)
  }

  get bundles(): readonly (string | undefined)[] {
    return webhookEntriesOf(this.#webhooks).map(({ caBundle }) => caBundle)
  }

  get #webhooks(): KubeObject {
    const found = this.objects.objects.find(({ kind }) => kind === 'ValidatingWebhookConfiguration')
    if (found === undefined) throw new Error('it is gone')
    return found
  }

  #map(name: string, data: object): void {
    this.objects.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'trow' }, data })
  }
}

suite('the webhook configuration', () => {
  test('has the bundle in every entry, and nothing is written that is right', async () => {
    const cluster = await new Cluster().start()
    await cluster.policies('one\n')
    assert.deepEqual(cluster.bundles, ['one\n', 'one\n', 'one\n'])
    assert.equal(cluster.keeper.bundle, 'one\n')
    const { length } = cluster.objects.writes
    await cluster.policies('one\n')
    assert.equal(cluster.objects.writes.length, length)
    cluster.keeper.close()
  })

  test('fails closed only when it is asked for, two are ready, and what the cluster needs is excluded', async () => {
    const cluster = await new Cluster().start()
    cluster.ready(2)
    assert.deepEqual(await cluster.policies(), open)
    // Nobody has said what is to be excluded.
    cluster.wish({ failurePolicy: 'Fail' })
    cluster.ready(2)
    cluster.objects.put({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: admissionNames.wishes, namespace: 'trow' },
      data: { failurePolicy: 'Fail' },
    })
    assert.deepEqual(await cluster.policies(), open)
    cluster.wish({ failurePolicy: 'Fail', excluded: 'kube-system, calico-system' })
    assert.deepEqual(await cluster.policies(), open)
    cluster.wish({ failurePolicy: 'Fail', excluded: 'kube-system' })
    cluster.ready(1)
    assert.deepEqual(await cluster.policies(), open)
    cluster.ready(2)
    assert.deepEqual(await cluster.policies(), closed)
    // To end a pod is not to open the door.
    cluster.ready(1)
    assert.deepEqual(await cluster.policies(), closed)
    cluster.wish({ failurePolicy: 'Ignore', excluded: 'kube-system' })
    assert.deepEqual(await cluster.policies(), open)
    cluster.keeper.close()
  })

  test('is not closed while break-glass is open, and is afterwards', async () => {
    const cluster = await new Cluster().start()
    cluster.wish({ failurePolicy: 'Fail', excluded: 'kube-system' })
    cluster.ready(2)
    assert.deepEqual(await cluster.policies(), closed)
    cluster.breakGlass({ until: '2026-11-29T08:30:00Z', reason: 'storage is gone' })
    cluster.set('Ignore', 'kubectl')
    await sleep(5)
    assert.deepEqual(await cluster.policies(), open)
    // Certificates go on meanwhile.
    assert.deepEqual(await cluster.policies('two\n'), open)
    assert.deepEqual(cluster.bundles, ['two\n', 'two\n', 'two\n'])
    cluster.now += 1_800_000
    cluster.keeper.tick()
    assert.deepEqual(await cluster.policies('two\n'), closed)
    assert.deepEqual(
      cluster.told.map((each) => each?.reason),
      ['storage is gone', undefined],
    )
    cluster.keeper.close()
  })

  test('that others than pods judge by never fails closed', async () => {
    const cluster = await new Cluster().start()
    cluster.set('Fail', 'somebody')
    await sleep(5)
    assert.deepEqual(await cluster.policies(), open)
    cluster.keeper.close()
  })

  test('says who has changed it, once, and not of trow itself', async () => {
    const cluster = await new Cluster().start()
    cluster.set('Ignore', 'trow')
    cluster.set('Ignore', admissionNames.manager)
    assert.deepEqual(cluster.changes, [])
    cluster.set('Fail', 'argocd')
    cluster.set('Ignore', 'argocd')
    const time = Date.parse('2026-11-29T08:01:00Z')
    assert.deepEqual(cluster.changes, [{ manager: 'argocd', time, fields: ['pods.trow.io failurePolicy'] }])
    cluster.set('Fail', 'argocd', '2026-11-29T08:02:00Z')
    assert.equal(cluster.changes.length, 2)
    cluster.keeper.close()
  })

  test('is left alone before all is known that is wanted of it', async () => {
    const cluster = new Cluster()
    cluster.objects.put(...installObjects({ failurePolicy: 'Fail' }))
    await cluster.keeper.keep('ca\n')
    assert.deepEqual(cluster.objects.writes, [])
  })
})

import { randomUUID } from 'node:crypto'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import type { KubeObject, KubeReference } from '../../src/cluster/cluster-objects.ts'
import { nodeSettingsSchema } from '../../src/cluster/node-settings.ts'
import { FakeObjects } from '../support/fake-objects.ts'
import { nodeObject, reportObject } from '../support/node-objects.ts'

interface PodTemplate {
  readonly metadata: {
    readonly annotations?: Record<string, string>
    readonly labels?: Record<string, string>
  }
  readonly spec?: object
}

/**
 * Objects in memory, with just enough controllers to complete an install: addresses, pods, reports of agents.
 */
export class FakeCluster extends FakeObjects {
  readonly #nodes: readonly string[]
  /** The status of a new pod; `undefined` means that it runs and is ready. */
  podStatus: (name: string, kind: string) => object | undefined = () => undefined
  /** Whether a controller may create a pod of that name. */
  makes: (name: string) => boolean = () => true
  /** Whether the API server comes to serve the kind of a definition. */
  serves: (name: string) => boolean = () => true
  /** What a node's agent reports beyond a healthy report; false: nothing at all. */
  report: (node: string) => Parameters<typeof reportObject>[2] | false = () => ({})
  /** Whether the admission pods write into the webhook configuration. */
  keepsWebhooks = true
  /** The address of a Service that requests none. */
  freeAddress = '10.96.12.7'
  /** Milliseconds after a namespace at which its ServiceAccount `default` exists. */
  accountDelay = 0
  readonly #accounts = new Map<string, number>()
  readonly now: () => number

  constructor(nodes: readonly string[], now: () => number) {
    super()
    this.#nodes = nodes
    this.now = now
    for (const name of nodes) this.put(this.node(name))
    this.put({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    })
  }

  /** A node on which pods can run and which has the image. */
  node(name: string, ready = true): object {
    const node = nodeObject(name, ready) as { status: object }
    return {
      ...node,
      spec: {},
      status: {
        ...node.status,
        images: [{ names: ['trow.test/trow:1'] }],
        addresses: [{ type: 'InternalIP', address: '172.30.0.2' }],
        nodeInfo: {
          architecture: 'amd64',
          operatingSystem: 'linux',
          containerRuntimeVersion: 'containerd://2.3.7',
        },
      },
    }
  }

  override async apply(
    object: KubeObject,
    options: { dryRun?: boolean; force?: boolean } = {},
  ): Promise<KubeObject> {
    if (object.kind === 'Pod') this.#admit(object)
    const addressed = this.#withAddress(object, options.dryRun === true)
    const applied = await super.apply(await this.#withBundle(addressed), options)
    if (options.dryRun !== true) await this.#control(applied)
    return applied
  }

  override async get(reference: KubeReference): Promise<KubeObject | undefined> {
    const { kind, name, namespace = '' } = reference
    if (kind !== 'ServiceAccount' || name !== 'default') return super.get(reference)
    return this.#hasAccount(namespace)
      ? { apiVersion: 'v1', kind, metadata: { name, namespace } }
      : super.get(reference)
  }

  #hasAccount(namespace: string): boolean {
    return this.now() >= (this.#accounts.get(namespace) ?? Infinity)
  }

  /** The admission error before the controller manager has created the namespace's service account. */
  #admit({ metadata: { name, namespace = '' } }: KubeObject): void {
    if (this.#hasAccount(namespace)) return
    const problem = `error looking up service account ${namespace}/default: serviceaccount "default" not found`
    throw new ClusterFault('forbidden', `answered 403: pods "${name}" is forbidden: ${problem}`)
  }

  #withAddress(object: KubeObject, isDry: boolean): KubeObject {
    if (object.kind !== 'Service' || object.metadata.name !== 'trow') return object
    const spec = object['spec'] as { clusterIP?: string }
    const { clusterIP = this.freeAddress } = spec
    if (!isDry) this.#refuseTaken(clusterIP)
    return { ...object, spec: { ...spec, clusterIP, clusterIPs: [clusterIP] } }
  }

  /** Refuses an address that is in use, as the API server does outside of a dry run. */
  #refuseTaken(address: string): void {
    const isTaken = this.objects.some(
      ({ kind, metadata, spec }) =>
        kind === 'Service' &&
        metadata.name !== 'trow' &&
        (spec as { clusterIP?: string } | undefined)?.clusterIP === address,
    )
    if (!isTaken) return
    const message = `Service "trow" is invalid: spec.clusterIPs: failed to allocate IP ${address}: provided IP is already allocated`
    throw new ClusterFault('refused', message, {
      status: 422,
      causes: [{ reason: 'FieldValueInvalid', field: 'spec.clusterIPs', message }],
    })
  }

  async #control(object: KubeObject): Promise<void> {
    const { kind, metadata } = object
    const { template } = (object['spec'] ?? {}) as { template?: PodTemplate }
    if (kind === 'Namespace' && !this.#accounts.has(metadata.name))
      this.#accounts.set(metadata.name, this.now() + this.accountDelay)
    if (kind === 'CustomResourceDefinition' && this.serves(metadata.name))
      this.put({ ...object, status: { conditions: [{ type: 'Established', status: 'True' }] } })
    if (kind === 'Pod') this.#start(object, metadata.name)
    if (kind === 'StatefulSet' && template !== undefined)
      this.#run(object, template, 'trow-0', this.#nodes[0])
    if (kind === 'Deployment' && template !== undefined)
      for (const [index, name] of ['trow-admission-0', 'trow-admission-1'].entries())
        this.#run(object, template, name, this.#nodes[index % this.#nodes.length])
    if (kind === 'ValidatingWebhookConfiguration') await this.#keepWebhooks(object)
    if (kind === 'DaemonSet' && template !== undefined)
      for (const node of this.#nodes) this.#run(object, template, `trow-node-${node}`, node)
    if (kind === 'ConfigMap' && metadata.name === 'trow-orders') this.#reportAll(object)
  }

  /** As the admission pod that holds the Lease does. */
  async #keepWebhooks(object: KubeObject): Promise<void> {
    if (!this.keepsWebhooks) return
    const wishes = { apiVersion: 'v1', kind: 'ConfigMap', name: 'trow-admission', namespace: 'trow' }
    const { failurePolicy = 'Ignore' } = ((await super.get(wishes))?.['data'] ?? {}) as {
      failurePolicy?: string
    }
    const webhooks = (object['webhooks'] as { name: string; clientConfig: object }[]).map((webhook) => ({
      ...webhook,
      clientConfig: { ...webhook.clientConfig, caBundle: 'Q0E=' },
      ...(webhook.name === 'pods.trow.io' ? { failurePolicy } : {}),
    }))
    this.put({ ...object, webhooks })
  }

  /** What another manager owns stays. */
  async #withBundle(object: KubeObject): Promise<KubeObject> {
    if (object.kind !== 'ValidatingWebhookConfiguration') return object
    const { apiVersion, kind, metadata } = object
    const before = ((await super.get({ apiVersion, kind, name: metadata.name }))?.['webhooks'] ?? []) as {
      name: string
      clientConfig: { caBundle?: string }
    }[]
    const webhooks = (object['webhooks'] as typeof before).map((webhook) => {
      const { caBundle } = before.find(({ name }) => name === webhook.name)?.clientConfig ?? {}
      return caBundle === undefined
        ? webhook
        : { ...webhook, clientConfig: { ...webhook.clientConfig, caBundle } }
    })
    return { ...object, webhooks }
  }

  /** The kubelet retries, and the pod starts. */
  async start(name: string, namespace = 'trow-node'): Promise<void> {
    const pod = await super.get({ apiVersion: 'v1', kind: 'Pod', name, namespace })
    if (pod !== undefined) this.#start(pod, name)
  }

  async reportAgain(): Promise<void> {
    const map = { apiVersion: 'v1', kind: 'ConfigMap', name: 'trow-orders', namespace: 'trow' }
    const told = await super.get(map)
    if (told !== undefined) this.#reportAll(told)
  }

  /** Adds this image to every node. */
  lists(image: string): void {
    for (const name of this.#nodes) {
      const node = this.node(name) as { status: object }
      this.put({ ...node, status: { ...node.status, images: [{ names: [image] }] } })
    }
  }

  #run(owner: KubeObject, template: PodTemplate, name: string, node = ''): void {
    if (!this.makes(name)) return
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: owner.metadata.namespace, uid: randomUUID(), ...template.metadata },
      spec: { ...template.spec, nodeName: node },
    }
    this.#start(pod as KubeObject, name)
  }

  #start(pod: KubeObject, name: string): void {
    const ready = {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [
        { name: 'trow', imageID: 'sha256:1', ready: true, restartCount: 0, state: { running: {} } },
      ],
    }
    this.put({ ...pod, status: this.podStatus(name, 'Pod') ?? ready })
  }

  #reportAll(map: KubeObject): void {
    const text = (map['data'] as Record<string, string>)['settings.json'] ?? ''
    const { canary, generation } = nodeSettingsSchema.parse(JSON.parse(text))
    if (canary === undefined) return
    for (const node of this.#nodes) {
      const changes = this.report(node)
      if (changes === false) continue
      const time = new Date(this.now()).toISOString()
      const pulled = { time, image: `trow.trow.svc/${canary}`, ok: true, milliseconds: 20 }
      const made = reportObject(node, this.now(), {
        generation: { written: generation, effective: generation },
        canary: pulled,
        ...changes,
      })
      this.put(made)
    }
  }
}

import type { Authority } from '../certificates/certificate-authority.ts'
import type { ClusterObjects, KubeObject, KubeReference } from '../cluster/cluster-objects.ts'
import { secretText } from '../cluster/config-data.ts'
import { names, type Layout } from '../cluster/layout.ts'
import { readNodeReport, reportsIn, type NodeReport } from '../cluster/node-report.ts'
import { UserError } from '../user-error.ts'
import { everyOrders } from './told-orders.ts'

/** How far a replacement of the CA has come, as the cluster's objects have it. */
export interface RotationFacts {
  readonly signing: Authority
  readonly next: Authority | undefined
  /** PEM of all that are trusted. */
  readonly bundle: string
  readonly generation: number
  /** Milliseconds since the epoch at which the one that signs began to. */
  readonly switched: number | undefined
}

const switchedAt = 'trow.io/ca-switched-at'

/** The CA in the cluster: its Secret, its bundle, and what agents are told of it and say. */
export class StoredAuthority {
  readonly #objects: ClusterObjects
  readonly #layout: Layout

  constructor(objects: ClusterObjects, layout: Layout) {
    this.#objects = objects
    this.#layout = layout
  }

  /** Throws UserError NOT_INSTALLED. */
  async read(): Promise<RotationFacts> {
    const [secret, published] = await Promise.all([
      this.#objects.get(this.#secret),
      this.#objects.get(this.#bundle),
    ])
    const { 'ca.crt': bundle, generation } = (published?.['data'] ?? {}) as Record<string, string>
    const signing = pairOf(secret, 'ca')
    if (signing === undefined || bundle === undefined)
      throw new UserError('NOT_INSTALLED', `there is no CA of trow in namespace ${this.#layout.namespace}`, {
        hint: 'trow install makes one; -n names another namespace.',
      })
    const switched = published?.metadata.annotations?.[switchedAt]
    return {
      signing,
      next: pairOf(secret, 'next'),
      bundle,
      generation: Number(generation),
      switched: switched === undefined ? undefined : Date.parse(switched),
    }
  }

  /** Beside the one that signs. */
  async keepNext(next: Authority): Promise<void> {
    await this.#patch(this.#secret, { data: encode({ 'next.crt': next.cert, 'next.key': next.key }) })
  }

  /** The next one signs from now on: milliseconds since the epoch. */
  async signWith(next: Authority, now: number): Promise<void> {
    await this.#patch(this.#secret, {
      data: { ...encode({ 'ca.crt': next.cert, 'ca.key': next.key }), 'next.crt': null, 'next.key': null },
    })
    await this.#patch(this.#bundle, {
      metadata: { annotations: { [switchedAt]: new Date(now).toISOString() } },
    })
    await this.#nudge(now)
  }

  /** To clients and to the agents. */
  async publish(pem: string, generation: number): Promise<void> {
    await this.#patch(this.#bundle, { data: { 'ca.crt': pem, generation: String(generation) } })
    for (const { reference, settings } of await everyOrders(this.#objects, this.#layout.namespace)) {
      const text = JSON.stringify({ ...settings, generation }, undefined, 2)
      await this.#patch(reference, { data: { 'settings.json': text, 'ca.crt': pem } })
    }
  }

  async reports(): Promise<NodeReport[]> {
    const found = await this.#objects.list(reportsIn(this.#layout.nodeNamespace))
    return found.flatMap((map) => readNodeReport(map) ?? [])
  }

  /** The kubelet looks at a Secret again when something about the pod has changed, else within a minute or two. */
  async #nudge(now: number): Promise<void> {
    const labelSelector = 'app.kubernetes.io/part-of=trow,app.kubernetes.io/component=registry'
    const pods = await this.#objects.list({
      apiVersion: 'v1',
      kind: 'Pod',
      namespace: this.#layout.namespace,
      labelSelector,
    })
    const patch = { metadata: { annotations: { 'trow.io/ca-seen': new Date(now).toISOString() } } }
    for (const { metadata } of pods)
      await this.#objects.patch(
        { apiVersion: 'v1', kind: 'Pod', name: metadata.name, namespace: this.#layout.namespace },
        patch,
      )
  }

  async #patch(reference: KubeReference, patch: object): Promise<void> {
    if ((await this.#objects.patch(reference, patch)) === undefined)
      throw new UserError('NOT_INSTALLED', `${reference.kind} ${reference.name} is not there`, {
        hint: 'Run trow install again.',
      })
  }

  get #secret(): KubeReference {
    return { ...v1('Secret', names.authority), namespace: this.#layout.namespace }
  }
  get #bundle(): KubeReference {
    return { ...v1('ConfigMap', names.bundle), namespace: this.#layout.namespace }
  }
}

function v1(kind: string, name: string): KubeReference {
  return { apiVersion: 'v1', kind, name }
}

function pairOf(secret: KubeObject | undefined, name: string): Authority | undefined {
  const [cert, key] = [secretText(secret, `${name}.crt`), secretText(secret, `${name}.key`)]
  return cert === undefined || key === undefined ? undefined : { cert, key }
}

function encode(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  )
}

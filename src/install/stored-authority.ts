import type { CertificateAuthority } from '../certificates/certificate-authority.ts'
import type { ClusterObjects, KubeObject, KubeReference } from '../cluster/cluster-objects.ts'
import { dataOf, secretText } from '../cluster/config-data.ts'
import { names, type Layout } from '../cluster/layout.ts'
import { readNodeReport, reportsIn, type NodeReport } from '../cluster/node-report.ts'
import { UserError } from '../user-error.ts'
import { allDesiredStates } from './desired-state.ts'

/** The progress of a CA rotation, as the cluster's objects record it. */
export interface RotationFacts {
  readonly signing: CertificateAuthority
  readonly next: CertificateAuthority | undefined
  /** PEM of all trusted CAs. */
  readonly bundle: string
  readonly generation: number
  /** Milliseconds since the epoch at which the current CA began to sign. */
  readonly switched: number | undefined
}

const switchedAt = 'trow.io/ca-switched-at'

/** The CA in the cluster: its Secret, its bundle, the agents' settings about it, and the agents' reports. */
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
    const { 'ca.crt': bundle, generation } = dataOf(published)
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

  /** Stores the next CA beside the one that signs. */
  async keepNext(next: CertificateAuthority): Promise<void> {
    await this.#patch(this.#secret, { data: encode({ 'next.crt': next.cert, 'next.key': next.key }) })
  }

  /** Makes the next CA the one that signs. `now` is in milliseconds since the epoch. */
  async signWith(next: CertificateAuthority, now: number): Promise<void> {
    await this.#patch(this.#secret, {
      data: { ...encode({ 'ca.crt': next.cert, 'ca.key': next.key }), 'next.crt': null, 'next.key': null },
    })
    await this.#patch(this.#bundle, {
      metadata: { annotations: { [switchedAt]: new Date(now).toISOString() } },
    })
    await this.#nudge(now)
  }

  /** Publishes the bundle to clients and to the agents. */
  async publish(pem: string, generation: number): Promise<void> {
    await this.#patch(this.#bundle, { data: { 'ca.crt': pem, generation: String(generation) } })
    for (const { reference, settings } of await allDesiredStates(this.#objects, this.#layout.namespace)) {
      const text = JSON.stringify({ ...settings, generation }, undefined, 2)
      await this.#patch(reference, { data: { 'settings.json': text, 'ca.crt': pem } })
    }
  }

  async reports(): Promise<NodeReport[]> {
    const found = await this.#objects.list(reportsIn(this.#layout.nodeNamespace))
    return found.flatMap((map) => readNodeReport(map) ?? [])
  }

  /**
   * The kubelet reads a Secret again when its pod changes, otherwise after a minute or two. An annotation
   * makes it read now.
   */
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

function pairOf(secret: KubeObject | undefined, name: string): CertificateAuthority | undefined {
  const [cert, key] = [secretText(secret, `${name}.crt`), secretText(secret, `${name}.key`)]
  return cert === undefined || key === undefined ? undefined : { cert, key }
}

function encode(values: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  )
}

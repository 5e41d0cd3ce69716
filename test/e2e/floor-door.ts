import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterFault } from '../../src/cluster/cluster-fault.ts'
import type { ClusterConnection } from '../../src/cluster/cluster-connection.ts'
import type { ClusterObjects, KubeObject } from '../../src/cluster/cluster-objects.ts'
import {
  floorBindingObject,
  floorParametersObject,
  floorPolicyObject,
} from '../../src/policy/floor/floor-objects.ts'
import {
  floorParameters,
  type FloorParameters,
  type FloorPolicies,
} from '../../src/policy/floor/floor-parameters.ts'

export interface PodImages {
  readonly containers?: readonly (string | undefined)[]
  readonly initContainers?: readonly string[]
  readonly volumes?: readonly string[]
}

/** Asks the floor of a real API server, by pods with dryRun. */
export class FloorDoor {
  readonly #objects: ClusterObjects
  readonly #connection: ClusterConnection
  readonly #namespaces = new Set(['default'])
  #round = 0
  #inForce = ''

  constructor(objects: ClusterObjects, connection: ClusterConnection) {
    this.#objects = objects
    this.#connection = connection
  }

  async install(excluded: readonly string[]): Promise<void> {
    await this.#apply(floorPolicyObject(excluded))
    await this.#apply(floorBindingObject())
  }

  /** Resolves when the floor answers by these policies. */
  async put(policies: FloorPolicies, now: number): Promise<FloorParameters> {
    const parameters = floorParameters(policies, now)
    await this.putParameters(parameters)
    return parameters
  }

  async putParameters(parameters: FloorParameters): Promise<void> {
    const text = JSON.stringify(parameters)
    if (text === this.#inForce) return
    this.#inForce = text
    // A further rule refuses everything in one namespace, with the name of this round in its message.
    const name = `round-${++this.#round}`
    const nowhere = { all: false, names: {}, pattern: '^$' }
    const marker = {
      id: 'marker',
      name,
      enforce: true,
      deny: true,
      include: { all: false, names: { marker: '' }, pattern: '^$' },
      exclude: nowhere,
      rules: {},
      deniedScopes: {},
      deniedDigests: {},
    }
    await this.#apply(floorParametersObject({ ...parameters, policies: [...parameters.policies, marker] }))
    const end = Date.now() + 30_000
    for (;;) {
      const answer = await this.ask({ containers: ['docker.io/library/marker:1'] }, 'marker')
      if (answer.includes(name)) return
      assert.ok(Date.now() < end, `the floor is not in force: ${answer}`)
      await sleep(10)
    }
  }

  /** Resolves to `allow`, or to why the pod is refused. */
  async ask(images: PodImages, namespace = 'default'): Promise<string> {
    await this.namespace(namespace)
    return this.send('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, podOf(images))
  }

  async send(method: 'POST' | 'PATCH', path: string, body: object): Promise<string> {
    const contentType = method === 'PATCH' ? { contentType: 'application/strategic-merge-patch+json' } : {}
    try {
      await this.#connection.request({ method, path, body, ...contentType })
      return 'allow'
    } catch (error) {
      if (error instanceof ClusterFault && (error.status === 403 || error.status === 422))
        return error.message
      throw error
    }
  }

  async namespace(name: string): Promise<void> {
    if (this.#namespaces.has(name)) return
    await this.#apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    this.#namespaces.add(name)
  }

  async #apply(object: object): Promise<void> {
    await this.#objects.apply(object as KubeObject, { force: true })
  }
}

export function podOf(
  { containers = [], initContainers = [], volumes = [] }: PodImages,
  name = 'x',
): KubeObject {
  const list = (images: readonly (string | undefined)[], prefix: string): object[] =>
    images.map((image, place) => ({ name: `${prefix}${place}`, image }))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      automountServiceAccountToken: false,
      containers: list(containers, 'c'),
      initContainers: list(initContainers, 'i'),
      volumes: volumes.map((reference, place) => ({ name: `v${place}`, image: { reference } })),
    },
  }
}

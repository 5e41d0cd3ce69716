import { connectObjects, type OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import type { PoliciesOfNow, PolicyFeed } from '../../src/enforcement/policy-feed.ts'
import type { Log } from '../../src/log.ts'
import { PolicySet } from '../../src/policy/policy-set.ts'
import { parseTrowException } from '../../src/policy/trow-exception.ts'
import { parseTrowPolicy, type TrowPolicy } from '../../src/policy/trow-policy.ts'
import {
  contextFor,
  failure,
  reply,
  startFakeApiServer,
  type FakeApiServer,
} from '../support/fake-api-server.ts'

/** The digest of which the hexadecimal digits are this character. */
export const digestOf = (character: string): string => `sha256:${character.repeat(64)}`

interface GivenPod {
  readonly namespace?: string
  readonly name?: string
  readonly node?: string
  readonly owner?: readonly [kind: string, name: string]
  readonly isStatic?: boolean
  readonly phase?: string
  /** Name as written, and image id. */
  readonly images: readonly (readonly [name: string, imageId?: string])[]
  readonly spec?: object
  readonly status?: object
}

/** A pod as an API server answers it. */
export function podOf(given: GivenPod): Record<string, unknown> {
  const { namespace = 'shop', name = 'api-1', node = 'node-1', owner, images, isStatic = false } = given
  return {
    metadata: {
      namespace,
      name,
      uid: `${namespace}-${name}`,
      annotations: isStatic ? { 'kubernetes.io/config.mirror': 'abc' } : {},
      ...(owner !== undefined && {
        ownerReferences: [
          {
            apiVersion: owner[0] === 'Job' ? 'batch/v1' : 'apps/v1',
            kind: owner[0],
            name: owner[1],
            controller: true,
            uid: 'u',
          },
        ],
      }),
    },
    spec: {
      nodeName: node,
      containers: images.map(([image], place) => ({ name: `c${place}`, image })),
      ...given.spec,
    },
    status: {
      phase: given.phase ?? 'Running',
      containerStatuses: images.map(([image, imageID = ''], place) => ({
        name: `c${place}`,
        image,
        imageID,
      })),
      ...given.status,
    },
  }
}

export interface ScannedCluster {
  readonly server: FakeApiServer
  readonly objects: OpenClusterObjects
  pods: Record<string, unknown>[]
  /** `namespace/name` of a ReplicaSet or Job -> what owns it. */
  readonly owners: Map<string, readonly [kind: string, name: string]>
  /** ConfigMap `trow-running`; undefined: there is none. */
  map: Record<string, string> | undefined
  /** Times that the map was written. */
  writes: number
  /** Answers one request otherwise; true: it has. */
  fault: (path: string, response: Parameters<typeof reply>[0]) => boolean
  close(): Promise<void>
}

/** An API server with pods, in pages. */
export async function startScannedCluster(pods: Record<string, unknown>[] = []): Promise<ScannedCluster> {
  const server = await startFakeApiServer((asked, response) => {
    const url = new URL(asked.path, 'http://fake')
    if (cluster.fault(asked.path, response)) return
    const resources = discovered[url.pathname]
    if (resources !== undefined) return reply(response, 200, { resources })
    if (url.pathname === '/api/v1/pods') {
      const from = Number(url.searchParams.get('continue') ?? 0)
      const to = from + Number(url.searchParams.get('limit'))
      const next = to < cluster.pods.length ? { continue: String(to) } : {}
      return reply(response, 200, {
        metadata: { resourceVersion: '7', ...next },
        items: cluster.pods.slice(from, to),
      })
    }
    const owned = /\/namespaces\/([^/]+)\/(?:replicasets|jobs)\/([^/]+)$/.exec(url.pathname)
    if (owned !== null) {
      const [, namespace = '', name = ''] = owned
      const owner = cluster.owners.get(`${namespace}/${name}`)
      const ownerReferences =
        owner === undefined
          ? []
          : [{ apiVersion: 'apps/v1', kind: owner[0], name: owner[1], controller: true }]
      return reply(response, 200, {
        apiVersion: 'apps/v1',
        kind: 'x',
        metadata: { name, namespace, ownerReferences },
      })
    }
    if (url.pathname === '/api/v1/namespaces/trow/configmaps/trow-running') {
      const isApply = asked.contentType === 'application/apply-patch+yaml'
      if (cluster.map === undefined && !isApply) return failure(response, 404, 'not found')
      if (asked.method === 'PATCH') {
        cluster.map = (asked.body as { data: Record<string, string> }).data
        cluster.writes++
      }
      return reply(response, 200, {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'trow-running', namespace: 'trow' },
        data: cluster.map,
      })
    }
    failure(response, 404, `nothing at ${asked.path}`)
  })
  const context = contextFor(server.url)
  const credentials = new CredentialSource(context, { env: {}, interactive: false, now: () => Date.now() })
  const objects = await connectObjects({ context, credentials })
  const cluster: ScannedCluster = {
    server,
    objects,
    pods,
    owners: new Map(),
    map: undefined,
    writes: 0,
    fault: () => false,
    async close() {
      await objects.close()
      await server.close()
    },
  }
  return cluster
}

/** What it says of the kinds that a scan looks at. */
export const discovered: Readonly<Record<string, readonly object[]>> = {
  '/api/v1': [
    { name: 'pods', kind: 'Pod', namespaced: true },
    { name: 'configmaps', kind: 'ConfigMap', namespaced: true },
  ],
  '/apis/apps/v1': [{ name: 'replicasets', kind: 'ReplicaSet', namespaced: true }],
  '/apis/batch/v1': [{ name: 'jobs', kind: 'Job', namespaced: true }],
}

const ownHosts: ReadonlySet<string> = new Set(['trow.trow.svc'])

export function policyOf(name: string, spec: object): TrowPolicy {
  const value = { apiVersion: 'policy.trow.io/v1alpha1', kind: 'TrowPolicy', metadata: { name }, spec }
  const loaded = parseTrowPolicy(value, ownHosts)
  if (loaded.kind === 'loaded') return loaded.value
  throw new Error(JSON.stringify(loaded))
}

export function setOf(policies: readonly TrowPolicy[], exceptions: readonly object[] = []): PolicySet {
  const loaded = exceptions.map((spec, place) => {
    const metadata = { name: `exception-${place}` }
    const value = { apiVersion: 'policy.trow.io/v1alpha1', kind: 'TrowException', metadata, spec }
    const settings = { ownHosts, now: Date.now(), longestException: 90 * 86_400_000, requireTicket: false }
    const read = parseTrowException(value, settings)
    if (read.kind === 'loaded') return read.value
    throw new Error(JSON.stringify(read))
  })
  return new PolicySet(policies, loaded, { ownHosts, shortNames: 'docker.io', noPolicy: 'allow' })
}

/** Policies that a test replaces. */
export class GivenPolicies implements PolicyFeed {
  current: PoliciesOfNow | undefined
  readonly #waiting = new Set<() => void>()

  constructor(set?: PolicySet) {
    if (set !== undefined) this.current = { set, generation: 1, registryGeneration: 1 }
  }

  put(set: PolicySet): void {
    const generation = (this.current?.generation ?? 0) + 1
    this.current = { set, generation, registryGeneration: generation }
    for (const wake of this.#waiting) wake()
  }

  async newerThan(generation: number, limit: number): Promise<void> {
    if ((this.current?.generation ?? -1) > generation) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, limit)
      this.#waiting.add(done)
    })
  }
}

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} }

import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { failure, reply, startFakeApiServer, type Asked, type FakeApiServer } from './fake-api-server.ts'

interface Kind {
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
}

/** Kinds that are served, as discovery says. */
const kinds: readonly Kind[] = [
  { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true },
  { apiVersion: 'v1', kind: 'Secret', plural: 'secrets', namespaced: true },
  { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true },
  { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments', namespaced: true },
  { apiVersion: 'apps/v1', kind: 'ReplicaSet', plural: 'replicasets', namespaced: true },
  { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases', namespaced: true },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    plural: 'validatingwebhookconfigurations',
    namespaced: false,
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    plural: 'validatingadmissionpolicies',
    namespaced: false,
  },
  {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    plural: 'validatingadmissionpolicybindings',
    namespaced: false,
  },
  { apiVersion: 'policy.trow.io/v1alpha1', kind: 'TrowFloor', plural: 'trowfloors', namespaced: false },
  { apiVersion: 'policy.trow.io/v1alpha1', kind: 'TrowPolicy', plural: 'trowpolicies', namespaced: false },
  {
    apiVersion: 'policy.trow.io/v1alpha1',
    kind: 'TrowException',
    plural: 'trowexceptions',
    namespaced: false,
  },
]

interface Watch {
  readonly collection: string
  readonly name: string | undefined
  readonly response: ServerResponse
}

/** What RBAC is asked; a list or watch of one object counts as of its name. */
export interface UsedRight {
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly name: string | undefined
  readonly isOfNamespace: boolean
}

export interface ReviewedAccess {
  readonly user: string
  readonly groups: readonly string[]
  readonly resource: string
  readonly verb: string
  readonly namespace: string | undefined
  readonly name: string | undefined
}

/**
 * An API server for processes of trow: objects that are listed, watched, patched, applied and deleted, token reviews and access
 * reviews. It owns no fields and has no defaults.
 */
export class ClusterApi {
  readonly #objects = new Map<string, KubeObject>()
  readonly #watches = new Set<Watch>()
  readonly #events: {
    readonly version: number
    readonly collection: string
    readonly name: string
    readonly line: string
  }[] = []
  #server: FakeApiServer | undefined
  #version = 10
  /** Every request fails. */
  isDown = false
  /** Users by token; all have audience `trow`. */
  readonly tokens = new Map<string, { readonly username: string; readonly groups: readonly string[] }>()
  /** What a SubjectAccessReview answers. */
  may: (access: ReviewedAccess) => boolean = () => false
  readonly reviewed: ReviewedAccess[] = []
  /** Rights of RBAC by the token of a caller; undefined: it may do everything. */
  rights: (credential: string) => ((right: UsedRight) => boolean) | undefined = () => undefined
  /** Rights that were used and not there. */
  readonly refused: UsedRight[] = []
  /** Every write, in order: `PATCH leases/trow-admission`, with its field manager. */
  readonly writes: string[] = []

  async start(): Promise<string> {
    this.#server ??= await startFakeApiServer((asked, response, request) =>
      this.#answer(asked, response, request),
    )
    return this.#server.url
  }

  /** The text of a kubeconfig that leads there. */
  async kubeconfig(token = 'own-credential'): Promise<string> {
    const name = 'fake'
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': name,
      clusters: [{ name, cluster: { server: await this.start() } }],
      users: [{ name, user: { token } }],
      contexts: [{ name, context: { cluster: name, user: name } }],
    })
  }

  async close(): Promise<void> {
    await this.#server?.close()
  }

  /** An object as a person applies it. `by`: the field manager. */
  put(object: object, by = 'kubectl'): void {
    const given = object as KubeObject
    const key = this.#keyOf(given)
    const known = this.#objects.get(key)
    const time = new Date().toISOString()
    this.#store(key, {
      ...given,
      metadata: {
        uid: randomUUID(),
        creationTimestamp: time,
        ...known?.metadata,
        ...given.metadata,
        generation: (known?.metadata.generation ?? 0) + 1,
        managedFields: [{ manager: by, operation: 'Update', time, fieldsV1: fieldsOf(given) }],
      },
    })
  }

  get(plural: string, name: string, namespace?: string): KubeObject | undefined {
    return this.#objects.get(`${placeOf(plural, namespace)}/${name}`)
  }

  remove(plural: string, name: string, namespace?: string): void {
    const collection = placeOf(plural, namespace)
    const object = this.#objects.get(`${collection}/${name}`)
    if (object === undefined) return
    this.#objects.delete(`${collection}/${name}`)
    const resourceVersion = String(++this.#version)
    this.#tell(collection, name, 'DELETED', { ...object, metadata: { ...object.metadata, resourceVersion } })
  }

  #keyOf({ apiVersion, kind, metadata }: KubeObject): string {
    const found = kinds.find((each) => each.apiVersion === apiVersion && each.kind === kind)
    if (found === undefined) throw new Error(`${kind} is not served`)
    return `${placeOf(found.plural, found.namespaced ? metadata.namespace : undefined)}/${metadata.name}`
  }

  #store(key: string, object: KubeObject): KubeObject {
    const isKnown = this.#objects.has(key)
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } }
    this.#objects.set(key, stored)
    const slash = key.lastIndexOf('/')
    this.#tell(key.slice(0, slash), key.slice(slash + 1), isKnown ? 'MODIFIED' : 'ADDED', stored)
    return stored
  }

  #tell(collection: string, name: string, type: string, object: object): void {
    const line = `${JSON.stringify({ type, object })}\n`
    this.#events.push({ version: this.#version, collection, name, line })
    for (const watch of this.#watches) if (isSeen(watch, { collection, name })) watch.response.write(line)
  }

  #isAllowed({ authorization = '' }: Asked, right: UsedRight): boolean {
    const may = this.rights(authorization.replace('Bearer ', ''))
    const isAllowed = may === undefined || may(right)
    if (!isAllowed) this.refused.push(right)
    return isAllowed
  }

  #answer(asked: Asked, response: ServerResponse, request: IncomingMessage): void {
    if (this.isDown) {
      request.socket.destroy()
      return
    }
    const [path = '', query = ''] = asked.path.split('?')
    if (asked.method === 'POST') return this.#review(path, asked, response)
    if (path.endsWith('/configmaps/extension-apiserver-authentication'))
      return reply(response, 200, { kind: 'ConfigMap', apiVersion: 'v1', data: {} })
    const [, apiVersion = '', rest = ''] = /^\/(?:api|apis)\/(v1|[^/]+\/[^/]+)\/?(.*)$/.exec(path) ?? []
    const served = kinds.filter((each) => each.apiVersion === apiVersion)
    if (rest === '')
      return served.length === 0
        ? failure(response, 404, 'not found')
        : reply(response, 200, {
            resources: served.map(({ plural, kind, namespaced }) => ({ name: plural, kind, namespaced })),
          })
    const [, namespace, plural = '', name] =
      /^(?:namespaces\/([^/]+)\/)?([^/]+)(?:\/([^/]+))?(?:\/status)?$/.exec(rest) ?? []
    const kind = served.find((each) => each.plural === plural)
    if (kind === undefined) return failure(response, 404, 'not found')
    const collection = placeOf(plural, namespace)
    const parameters = new URLSearchParams(query)
    const verb = verbOf(asked, name, parameters)
    const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : ''
    const only = name ?? /metadata\.name=([^,]+)/.exec(parameters.get('fieldSelector') ?? '')?.[1]
    const right = { verb, group, resource: plural, name: only, isOfNamespace: namespace !== undefined }
    if (!this.#isAllowed(asked, right)) return failure(response, 403, 'forbidden')
    const isNew = verb === 'patch' && !this.#objects.has(`${collection}/${name}`)
    if (isNew && !this.#isAllowed(asked, { ...right, verb: 'create' }))
      return failure(response, 403, 'forbidden')
    if (name !== undefined)
      return this.#one(asked, { key: `${collection}/${name}`, kind, parameters }, response)
    if (parameters.get('watch') === '1') return this.#watch({ collection, name: only, response }, parameters)
    const items = [...this.#objects]
      .filter(
        ([key]) =>
          (key.startsWith(`${collection}/`) ||
            (namespace === undefined && kind.namespaced && key.includes(`/${plural}/`))) &&
          (only === undefined || key === `${collection}/${only}`),
      )
      .map(([, object]) => object)
    return reply(response, 200, { metadata: { resourceVersion: String(this.#version) }, items })
  }

  #watch(watch: Watch, parameters: URLSearchParams): void {
    const { response } = watch
    const from = Number(parameters.get('resourceVersion'))
    response.writeHead(200).flushHeaders()
    for (const event of this.#events)
      if (event.version > from && isSeen(watch, event)) response.write(event.line)
    this.#watches.add(watch)
    const end = setTimeout(() => response.end(), Number(parameters.get('timeoutSeconds') ?? 60) * 1000)
    response.on('close', () => {
      clearTimeout(end)
      this.#watches.delete(watch)
    })
  }

  #one(
    asked: Asked,
    { key, kind, parameters }: { key: string; kind: Kind; parameters: URLSearchParams },
    response: ServerResponse,
  ): void {
    const known = this.#objects.get(key)
    if (asked.method === 'GET')
      return known === undefined ? failure(response, 404, 'no such object') : reply(response, 200, known)
    if (asked.method === 'DELETE') {
      const [name = '', plural = '', namespace] = key.split('/').toReversed()
      this.writes.push(`DELETE ${key}`)
      this.remove(plural, name, namespace)
      return known === undefined ? failure(response, 404, 'no such object') : reply(response, 200, known)
    }
    const patch = asked.body as unknown as Partial<KubeObject>
    const wanted = patch.metadata?.resourceVersion
    const isApply = asked.contentType === 'application/apply-patch+yaml'
    if (known === undefined && !isApply) return failure(response, 404, 'no such object')
    if (wanted !== undefined && wanted !== known?.metadata.resourceVersion)
      return failure(response, 409, 'the object has been modified')
    const manager = parameters.get('fieldManager') ?? ''
    this.writes.push(`${asked.method} ${key} ${manager}`)
    const { apiVersion } = kind
    const merged = merge(known ?? {}, { ...patch, apiVersion, kind: kind.kind }) as KubeObject
    return reply(response, 200, this.#store(key, merged))
  }

  #review(path: string, asked: Asked, response: ServerResponse): void {
    const { body } = asked
    const spec = body?.spec ?? {}
    const resource = path.split('/').at(-1) ?? ''
    const group = path.split('/')[2] ?? ''
    const right = { verb: 'create', group, resource, name: undefined, isOfNamespace: false }
    if (!this.#isAllowed(asked, right)) return failure(response, 403, 'forbidden')
    if (path.endsWith('/tokenreviews')) {
      const user = this.tokens.get(String(spec['token']))
      const status =
        user === undefined
          ? { authenticated: false, error: 'the token is not known' }
          : { authenticated: true, user, audiences: ['trow'] }
      return reply(response, 201, { ...body, status })
    }
    if (!path.endsWith('/subjectaccessreviews')) return failure(response, 404, 'not found')
    const attributes = spec['resourceAttributes'] as Record<string, string>
    const { verb, namespace, name } = attributes
    const access: ReviewedAccess = {
      user: String(spec['user']),
      groups: spec['groups'] as string[],
      resource: attributes['resource'] ?? '',
      verb: verb ?? '',
      namespace,
      name,
    }
    this.reviewed.push(access)
    return reply(response, 201, { ...body, status: { allowed: this.may(access) } })
  }
}

function verbOf({ method }: Asked, name: string | undefined, parameters: URLSearchParams): string {
  if (method === 'PATCH') return 'patch'
  if (method === 'DELETE') return 'delete'
  if (name !== undefined) return 'get'
  return parameters.get('watch') === '1' ? 'watch' : 'list'
}

function placeOf(plural: string, namespace: string | undefined): string {
  return namespace === undefined ? plural : `${namespace}/${plural}`
}

function isSeen(
  watch: Watch,
  { collection, name }: { readonly collection: string; readonly name: string },
): boolean {
  return watch.collection === collection && (watch.name === undefined || watch.name === name)
}

function fieldsOf(object: KubeObject): object {
  const webhooks = object['webhooks'] as readonly { readonly name: string }[] | undefined
  if (webhooks === undefined) return { 'f:spec': {} }
  const entries = webhooks.map(({ name }) => [
    `k:{"name":"${name}"}`,
    { 'f:failurePolicy': {}, 'f:name': {} },
  ])
  return { 'f:webhooks': Object.fromEntries(entries) }
}

/** RFC 7386, but that entries of `webhooks` are merged by their name, as server-side apply does. */
function merge(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    const before = merged[name]
    if (value === null) delete merged[name]
    else if (name === 'webhooks' && Array.isArray(value) && Array.isArray(before))
      merged[name] = before.map((entry: { name: string }) =>
        merge(entry, (value as { name: string }[]).find((each) => each.name === entry.name) ?? {}),
      )
    else merged[name] = merge(before, value)
  }
  return merged
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

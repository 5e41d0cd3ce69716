import { setTimeout as sleep } from 'node:timers/promises'
import { ApiResources, type ApiResource } from './api-resources.ts'
import { connectCluster, type ClusterConnection, type ConnectionOptions } from './cluster-connection.ts'
import { ClusterFault } from './cluster-fault.ts'
import {
  ApplyConflict,
  type ApplyOptions,
  type ClusterObjects,
  type KubeObject,
  type KubeReference,
  type KubeSelection,
  type OwnRight,
  type WatchListeners,
  type WatchOptions,
} from './cluster-objects.ts'
import { collectionOf, pathOf, queryOf } from './resource-path.ts'
import { readPages, type ObjectPages, type PageEvent } from './object-pages.ts'
import { watchObjects, type ObjectPage } from './object-watch.ts'
import { z } from 'zod'
import { parseAnswer, parseObject } from './kube-json.ts'
import { hasOwnRight, ownName } from './self-reviews.ts'

/** The caller must close it: its connections keep the process alive for some seconds. */
export interface OpenClusterObjects extends ClusterObjects, ObjectPages {
  readonly connection: ClusterConnection
  /** The user name that the API server sees (SelfSubjectReview): `ada`, `system:serviceaccount:team-a:builder`. */
  whoAmI(): Promise<string>
  close(): Promise<void>
}

export interface ObjectsOptions extends ConnectionOptions {
  /** Field manager for server-side apply; `trow` by default. */
  readonly manager?: string
}

/** `timeout` is 30 s by default. A watch has no time limit. */
export async function connectObjects({
  manager = 'trow',
  ...options
}: ObjectsOptions): Promise<OpenClusterObjects> {
  return new KubernetesObjects(await connectCluster({ timeout: 30_000, ...options }), manager)
}

/** Objects per page of a list. */
const usualPageSize = 500
/** Seconds until the API server ends a watch: less than the connection's limit of silence (300 s). */
const usualRenewal = 240
/** Milliseconds that the end of a watch may be late. */
const endPatience = 3000
/** How long an apply waits for a kind whose CustomResourceDefinition is new; `pause` in milliseconds. */
const kindPatience = { attempts: 30, pause: 500 }

class KubernetesObjects implements OpenClusterObjects {
  readonly server: string
  readonly connection: ClusterConnection
  readonly #resources: ApiResources
  readonly #manager: string

  constructor(connection: ClusterConnection, manager: string) {
    this.connection = connection
    this.#manager = manager
    this.server = connection.server
    this.#resources = new ApiResources(connection)
  }

  async version(): Promise<{ readonly gitVersion: string; readonly clock: number | undefined }> {
    const { text, headers } = await this.connection.request({ method: 'GET', path: '/version' })
    const clock = Date.parse(headers['date'] ?? '')
    const { gitVersion } = parseAnswer(this.server, text, z.object({ gitVersion: z.string() }))
    return { gitVersion, clock: Number.isNaN(clock) ? undefined : clock }
  }

  async get(reference: KubeReference): Promise<KubeObject | undefined> {
    const resource = await this.#resources.find(reference.apiVersion, reference.kind)
    if (resource === undefined) return undefined
    return this.#object(await this.#unlessAbsent('GET', pathOf(resource, reference)))
  }

  async list(selection: KubeSelection): Promise<readonly KubeObject[]> {
    const resource = await this.#resources.find(selection.apiVersion, selection.kind)
    return resource === undefined ? [] : (await this.#list(resource, selection)).items
  }

  async *pages(selection: KubeSelection, signal: AbortSignal): AsyncGenerator<PageEvent> {
    const resource = await this.#servedKind(selection)
    yield* readPages(this.connection, collectionOf(resource, selection.namespace), selection, signal)
  }

  async watch(
    selection: KubeSelection,
    listeners: WatchListeners,
    signal: AbortSignal,
    { renewal = usualRenewal }: WatchOptions = {},
  ): Promise<void> {
    const resource = async (): Promise<ApiResource> => {
      const found = await this.#resources.find(selection.apiVersion, selection.kind)
      return found ?? Promise.reject(this.#unknownKind(selection))
    }
    const source = {
      longestPause: Math.min(renewal * 250, 30_000),
      list: async () => this.#list(await resource(), selection, signal),
      changes: async (resourceVersion: string) => {
        const query = queryOf(selection, {
          watch: '1',
          allowWatchBookmarks: 'true',
          resourceVersion,
          timeoutSeconds: String(renewal),
        })
        const path = `${collectionOf(await resource(), selection.namespace)}?${query.toString()}`
        // A connection that died without a word looks like a watch on which nothing happens.
        const end = AbortSignal.any([signal, AbortSignal.timeout(renewal * 1000 + endPatience)])
        return this.connection.stream({ method: 'GET', path, signal: end })
      },
    }
    await watchObjects(source, listeners, signal)
  }

  async apply(object: KubeObject, options: ApplyOptions = {}): Promise<KubeObject> {
    try {
      return await this.#apply(object, options)
    } catch (error) {
      // The API server records our own patches as another manager of the same name: operation Update beside Apply.
      const own =
        error instanceof ApplyConflict && error.owners.every(({ manager }) => manager === this.#manager)
      if (!own) throw error
      return this.#apply(object, { ...options, force: true })
    }
  }

  async #apply(
    object: KubeObject,
    { dryRun = false, force = false, subresource }: ApplyOptions,
  ): Promise<KubeObject> {
    const reference: KubeReference = {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name: object.metadata.name,
      namespace: object.metadata.namespace,
    }
    const resource = await this.#servedKind(reference)
    const path = `${pathOf(resource, reference)}${subresource === undefined ? '' : `/${subresource}`}`
    const query = new URLSearchParams({
      fieldManager: this.#manager,
      force: String(force),
      ...(dryRun ? { dryRun: 'All' } : {}),
    })
    try {
      const { text } = await this.connection.request({
        method: 'PATCH',
        path: `${path}?${query.toString()}`,
        body: object,
        contentType: 'application/apply-patch+yaml',
      })
      return parseObject(this.server, text)
    } catch (error) {
      throw conflictOf(error, reference) ?? error
    }
  }

  async patch(reference: KubeReference, patch: object): Promise<KubeObject | undefined> {
    const resource = await this.#resources.find(reference.apiVersion, reference.kind)
    if (resource === undefined) return undefined
    const path = `${pathOf(resource, reference)}?fieldManager=${this.#manager}`
    return this.#object(await this.#unlessAbsent('PATCH', path, patch, 'application/merge-patch+json'))
  }

  async delete(reference: KubeReference, { uid }: { readonly uid?: string } = {}): Promise<boolean> {
    const resource = await this.#resources.find(reference.apiVersion, reference.kind)
    if (resource === undefined) return false
    const options = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Background',
      ...(uid === undefined ? {} : { preconditions: { uid } }),
    }
    return (await this.#unlessAbsent('DELETE', pathOf(resource, reference), options)) !== undefined
  }

  may(right: OwnRight): Promise<boolean> {
    return hasOwnRight(this.connection, right)
  }

  whoAmI(): Promise<string> {
    return ownName(this.connection)
  }

  async log(
    { namespace, name, container }: Parameters<ClusterObjects['log']>[0],
    { lines, previous = false }: Parameters<ClusterObjects['log']>[1],
  ): Promise<string | undefined> {
    const query = new URLSearchParams({
      tailLines: String(lines),
      previous: String(previous),
      ...(container === undefined ? {} : { container }),
    })
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(name)}/log?${query.toString()}`
    try {
      return (await this.connection.request({ method: 'GET', path, accept: '*/*' })).text
    } catch (error) {
      // 400: the container has not started, or has no previous run.
      if (error instanceof ClusterFault && (error.status === 404 || error.status === 400)) return undefined
      throw error
    }
  }

  async close(): Promise<void> {
    await this.connection.close()
  }

  async #list(resource: ApiResource, selection: KubeSelection, signal?: AbortSignal): Promise<ObjectPage> {
    const items: KubeObject[] = []
    let next = ''
    let expired = 0
    for (;;) {
      const query = queryOf(selection, {
        limit: String(selection.pageSize ?? usualPageSize),
        ...(next === '' ? {} : { continue: next }),
      })
      try {
        const { text } = await this.connection.request({
          method: 'GET',
          path: `${collectionOf(resource, selection.namespace)}?${query.toString()}`,
          ...(signal === undefined ? {} : { signal }),
        })
        const page = parseAnswer(this.server, text, pageSchema)
        const { apiVersion, kind } = selection
        for (const item of page.items ?? []) items.push({ ...item, apiVersion, kind } as KubeObject)
        next = page.metadata.continue ?? ''
        if (next === '') return { items, resourceVersion: page.metadata.resourceVersion }
      } catch (error) {
        // The snapshot of the earlier pages has expired: start the list again.
        const again = error instanceof ClusterFault && error.status === 410 && next !== ''
        if (!again || ++expired > 3) throw error
        items.length = 0
        next = ''
      }
    }
  }

  async #servedKind(reference: Pick<KubeReference, 'apiVersion' | 'kind'>): Promise<ApiResource> {
    for (let attempt = 1; ; attempt++) {
      const found = await this.#resources.find(reference.apiVersion, reference.kind)
      if (found !== undefined) return found
      if (attempt === kindPatience.attempts) throw this.#unknownKind(reference)
      await sleep(kindPatience.pause)
    }
  }

  #unknownKind({ apiVersion, kind }: Pick<KubeReference, 'apiVersion' | 'kind'>): ClusterFault {
    return new ClusterFault('refused', `${this.server} does not serve ${kind} of ${apiVersion}`, {
      status: 404,
    })
  }

  #object(text: string | undefined): KubeObject | undefined {
    return text === undefined ? undefined : parseObject(this.server, text)
  }

  /** Returns `undefined` for a 404. The response to a deletion is a Status, or the object that is being deleted. */
  async #unlessAbsent(
    method: 'GET' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
    contentType?: string,
  ): Promise<string | undefined> {
    try {
      const answer = await this.connection.request({
        method,
        path,
        body,
        ...(contentType === undefined ? {} : { contentType }),
      })
      return answer.text
    } catch (error) {
      if (error instanceof ClusterFault && error.status === 404) return undefined
      throw error
    }
  }
}

/** The items of a list have no `apiVersion` and `kind`. */
const pageSchema = z.object({
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(z.looseObject({ metadata: z.looseObject({ name: z.string() }) })).nullable(),
})

/** The causes name the manager only in their message: `conflict with "kubectl" using apps/v1`. */
function conflictOf(error: unknown, reference: KubeReference): ApplyConflict | undefined {
  if (!(error instanceof ClusterFault) || error.status !== 409) return undefined
  const owners = error.causes
    .filter(({ reason }) => reason === 'FieldManagerConflict')
    .map(({ message = '', field = '' }) => ({
      manager: /conflicts? with "((?:[^"\\]|\\.)*)"/.exec(message)?.[1] ?? message,
      field,
    }))
  return owners.length === 0 ? undefined : new ApplyConflict(reference, owners, { cause: error })
}

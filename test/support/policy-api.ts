import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import type { KubeObject } from '../../src/cluster/cluster-objects.ts'
import { connectObjects, type OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import {
  policyApiVersion,
  policyKinds,
  policyStatusSchema,
  type PolicyObjectStatus,
} from '../../src/cluster/policy-object.ts'
import {
  contextFor,
  failure,
  reply,
  startFakeApiServer,
  type Asked,
  type FakeApiServer,
} from './fake-api-server.ts'

const root = `/apis/${policyApiVersion}`

/** The part of an API server that has policies and exceptions, with the faults that a real one has at bad times. */
export class PolicyApi {
  readonly #objects = new Map<string, KubeObject>()
  readonly #watches = new Set<{ readonly plural: string; readonly response: ServerResponse }>()
  /** What is told to a watch that begins before it. */
  readonly #events: { readonly version: number; readonly plural: string; readonly line: string }[] = []
  /** Of a kind's watch no version before this one is known any more. */
  #oldest = 0
  #server: FakeApiServer | undefined
  #version = 10
  /** Every request fails. */
  isDown = false
  /** Watches are opened, and say nothing any more, not even their end. */
  isSilent = false
  /** Answers what else a cluster has; true: it has answered. */
  other: (asked: Asked, response: ServerResponse) => boolean = () => false
  /** What is answered to a write; undefined: it is done. */
  refusal: ((asked: Asked, response: ServerResponse) => void) | undefined

  async connect(): Promise<OpenClusterObjects> {
    const context = contextFor(await this.#start())
    const credentials = new CredentialSource(context, { env: {}, interactive: false, now: Date.now })
    return connectObjects({ context, credentials, timeout: 1500 })
  }

  /** The text of a kubeconfig that leads there. */
  async kubeconfig(): Promise<string> {
    const name = 'fake'
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': name,
      clusters: [{ name, cluster: { server: await this.#start() } }],
      users: [{ name, user: { token: 'own-credential' } }],
      contexts: [{ name, context: { cluster: name, user: name } }],
    })
  }

  /** The port to which every port-forward leads. Undefined: they are refused. */
  set forwardTo(port: number | undefined) {
    if (this.#server !== undefined) this.#server.forwardTo = port
  }

  get asked(): readonly Asked[] {
    return this.#server?.asked ?? []
  }

  get(plural: string, name: string): KubeObject | undefined {
    return this.#objects.get(`${plural}/${name}`)
  }

  /** Undefined: none was written. */
  status(plural: string, name: string): PolicyObjectStatus | undefined {
    return policyStatusSchema.optional().parse(this.get(plural, name)?.['status'])
  }

  /** The object of a file's text, with what an API server adds. */
  put(text: string, by = 'kubectl'): void {
    const given = JSON.parse(text) as KubeObject
    const plural = policyKinds.find(({ kind }) => kind === given.kind)?.plural ?? ''
    const known = this.get(plural, given.metadata.name)
    const time = new Date().toISOString()
    this.#store(plural, {
      ...given,
      ...(known?.['status'] === undefined ? {} : { status: known['status'] }),
      metadata: {
        creationTimestamp: time,
        uid: randomUUID(),
        ...known?.metadata,
        ...given.metadata,
        generation: (known?.metadata.generation ?? 0) + 1,
        managedFields: [
          { manager: by, operation: 'Apply', time, fieldsV1: { 'f:spec': {} } },
          {
            manager: 'trow-registry',
            operation: 'Apply',
            time,
            subresource: 'status',
            fieldsV1: { 'f:status': {} },
          },
        ],
      },
    })
  }

  setStatus(plural: string, name: string, status: object): void {
    const known = this.get(plural, name)
    if (known !== undefined) this.#store(plural, { ...known, status })
  }

  remove(plural: string, name: string): void {
    const object = this.get(plural, name)
    if (object === undefined) return
    this.#objects.delete(`${plural}/${name}`)
    const resourceVersion = String(++this.#version)
    this.#tell(plural, 'DELETED', { ...object, metadata: { ...object.metadata, resourceVersion } })
  }

  bookmark(): void {
    this.#version++
    for (const { plural } of this.#watches)
      this.#tell(plural, 'BOOKMARK', { metadata: { resourceVersion: String(this.#version) } })
  }

  /** Forgets what was before now: the compaction of etcd. */
  compact(): void {
    this.#oldest = ++this.#version
    this.#events.length = 0
  }

  /** Ends every watch, as a restart of the API server does. */
  cut(): void {
    for (const { response } of this.#watches) response.destroy()
    this.#watches.clear()
  }

  async close(): Promise<void> {
    await this.#server?.close()
  }

  async #start(): Promise<string> {
    this.#server ??= await startFakeApiServer((asked, response) => this.#answer(asked, response))
    return this.#server.url
  }

  #store(plural: string, object: KubeObject): void {
    const resourceVersion = String(++this.#version)
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion } }
    const isKnown = this.#objects.has(`${plural}/${object.metadata.name}`)
    this.#objects.set(`${plural}/${object.metadata.name}`, stored)
    this.#tell(plural, isKnown ? 'MODIFIED' : 'ADDED', stored)
  }

  #tell(plural: string, type: string, object: object): void {
    const line = `${JSON.stringify({ type, object })}\n`
    this.#events.push({ version: this.#version, plural, line })
    if (this.isSilent) return
    for (const watch of this.#watches) if (watch.plural === plural) watch.response.write(line)
  }

  #answer(asked: Asked, response: ServerResponse): void {
    if (this.isDown) return failure(response, 503, 'etcd is away')
    if (this.other(asked, response)) return
    const [path = '', query = ''] = asked.path.split('?')
    if (path === root) return reply(response, 200, { resources })
    const [plural = '', name = '', subresource] = path.slice(root.length + 1).split('/')
    if (name !== '') return this.#write(asked, { plural, name, subresource }, response)
    const parameters = new URLSearchParams(query)
    if (parameters.get('watch') === '1') return this.#watch(plural, parameters, response)
    const items = [...this.#objects]
      .filter(([key]) => key.startsWith(`${plural}/`))
      .map(([, object]) => object)
    return reply(response, 200, { metadata: { resourceVersion: String(this.#version) }, items })
  }

  #watch(plural: string, parameters: URLSearchParams, response: ServerResponse): void {
    const from = Number(parameters.get('resourceVersion'))
    if (from < this.#oldest) return failure(response, 410, 'too old resource version')
    response.writeHead(200).flushHeaders()
    if (!this.isSilent)
      for (const event of this.#events)
        if (event.plural === plural && event.version > from) response.write(event.line)
    const watch = { plural, response }
    this.#watches.add(watch)
    const end = setTimeout(
      () => {
        if (this.isSilent) return
        this.#watches.delete(watch)
        response.end()
      },
      Number(parameters.get('timeoutSeconds')) * 1000,
    )
    response.on('close', () => {
      clearTimeout(end)
      this.#watches.delete(watch)
    })
  }

  #write(
    asked: Asked,
    { plural, name, subresource }: { plural: string; name: string; subresource: string | undefined },
    response: ServerResponse,
  ): void {
    const known = this.get(plural, name)
    if (asked.method === 'GET')
      return known === undefined ? failure(response, 404, 'no such') : reply(response, 200, known)
    if (this.refusal !== undefined) return this.refusal(asked, response)
    const body = asked.body as unknown as KubeObject
    if (subresource !== 'status') {
      this.put(JSON.stringify(body), new URLSearchParams(asked.path.split('?')[1]).get('fieldManager') ?? '')
      return reply(response, 200, this.get(plural, name))
    }
    if (known === undefined) return failure(response, 404, 'no such object')
    this.setStatus(plural, name, body['status'] as object)
    return reply(response, 200, this.get(plural, name))
  }
}

const resources = policyKinds.map(({ kind, plural }) => ({ name: plural, kind, namespaced: false }))

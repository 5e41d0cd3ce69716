import { createHash } from 'node:crypto'
import type {
  AuthenticationV1Api,
  AuthorizationV1Api,
  CoreV1Api,
  ConfigurationOptions,
  RequestContext,
} from '@kubernetes/client-node'
import { ClusterFault, toFault } from './cluster-fault.ts'
import type { ClusterCredential, CredentialSource } from './credential-source.ts'
import type { KubeContext } from './kube-context.ts'
import { readPem } from './pem-source.ts'

export interface ConnectionOptions {
  readonly context: KubeContext
  readonly credentials: CredentialSource
  /** Milliseconds for one request, waiting for its turn included; 3000 when not given. */
  readonly timeout?: number
  /** Requests at once, and so connections; 32 when not given. */
  readonly concurrency?: number
}

export interface ClusterApis {
  readonly core: CoreV1Api
  readonly authentication: AuthenticationV1Api
  readonly authorization: AuthorizationV1Api
}

/** Requests of the API server over connections that are kept. */
export interface ClusterConnection {
  readonly server: string
  /** The options are for the call: they carry its time limit. Throws ClusterFault, and UserError of the credential. */
  ask<T>(call: (apis: ClusterApis, options: ConfigurationOptions) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** Loads the client library, which takes half a second; asks nothing yet. */
export async function connectCluster(options: ConnectionOptions): Promise<ClusterConnection> {
  const kubernetes = await import('@kubernetes/client-node')
  const { server } = options.context.cluster
  const dispatchers = new Dispatchers(options.context, new kubernetes.KubeConfig())
  const configuration = kubernetes.createConfiguration({
    baseServer: new kubernetes.ServerConfiguration(server, {}),
  })
  const apis: ClusterApis = {
    core: new kubernetes.CoreV1Api(configuration),
    authentication: new kubernetes.AuthenticationV1Api(configuration),
    authorization: new kubernetes.AuthorizationV1Api(configuration),
  }
  const turns = new Turns(options.concurrency ?? 32)
  const { credentials, timeout = 3000 } = options

  async function once<T>(
    call: (apis: ClusterApis, options: ConfigurationOptions) => Promise<T>,
    credential: ClusterCredential,
    signal: AbortSignal,
  ): Promise<T> {
    const dispatcher = await dispatchers.for(credential)
    const prepare = async (request: RequestContext): Promise<RequestContext> => {
      for (const [name, value] of headersOf(credential, options.context)) request.setHeaderParam(name, value)
      request.setSignal(signal)
      if (dispatcher !== undefined) request.setDispatcher(dispatcher)
      return request
    }
    const middleware: ConfigurationOptions['middleware'] = [
      {
        pre: (request) => new kubernetes.Observable(prepare(request)),
        post: (response) => new kubernetes.Observable(Promise.resolve(response)),
      },
    ]
    try {
      return await call(apis, { middleware, middlewareMergeStrategy: 'append' })
    } catch (error) {
      throw toFault(error, server)
    }
  }

  return {
    server,
    async ask(call) {
      let credential = await credentials.current()
      const signal = AbortSignal.timeout(timeout)
      const done = await turns.take(signal, server)
      try {
        for (let attempt = 1; ; attempt++) {
          try {
            return await once(call, credential, signal)
          } catch (error) {
            if (!(error instanceof ClusterFault) || attempt === 2 || signal.aborted) throw error
            // A kept connection that the other side has just closed; what we ask may be asked twice.
            const cut = error.kind === 'unreachable' && error.status === undefined
            const replaced = error.kind === 'unauthorized' && (await credentials.replace(credential))
            if (!cut && !replaced) throw error
            credential = await credentials.current()
          }
        }
      } finally {
        done()
      }
    },
    async close() {
      await dispatchers.close()
    },
  }
}

type KubeConfig = import('@kubernetes/client-node').KubeConfig
type Dispatcher = NonNullable<ReturnType<RequestContext['getDispatcher']>>

/**
 * The library makes a dispatcher, and so a connection, for each request. Here one is kept while the credential's
 * certificate and the CA stay the same.
 */
class Dispatchers {
  readonly #context: KubeContext
  readonly #library: KubeConfig
  #current: { readonly key: string; readonly dispatcher: Dispatcher | undefined } | undefined

  constructor(context: KubeContext, library: KubeConfig) {
    this.#context = context
    this.#library = library
  }

  async for(credential: ClusterCredential): Promise<Dispatcher | undefined> {
    const { cluster } = this.#context
    const tls = {
      rejectUnauthorized: !cluster.insecure,
      ...(cluster.ca === undefined ? {} : { ca: await readPem(cluster.ca) }),
      ...(cluster.serverName === undefined ? {} : { servername: cluster.serverName }),
      ...credential.certificate,
    }
    const key = createHash('sha256').update(JSON.stringify(tls)).digest('hex')
    if (this.#current?.key === key) return this.#current.dispatcher
    const plain = cluster.server.startsWith('http:')
    const dispatcher = this.#library['createDispatcher'](
      {
        name: this.#context.name,
        server: cluster.server,
        skipTLSVerify: plain || cluster.insecure,
        ...(cluster.proxyUrl === undefined ? {} : { proxyUrl: cluster.proxyUrl }),
      },
      tls,
    ) as Dispatcher | undefined
    const last = this.#current
    this.#current = { key, dispatcher }
    // Ends when the requests on it have.
    void last?.dispatcher?.close()
    return dispatcher
  }

  async close(): Promise<void> {
    await this.#current?.dispatcher?.destroy()
    this.#current = undefined
  }
}

function headersOf(
  { token, basic }: ClusterCredential,
  { user: { impersonate } }: KubeContext,
): [string, string][] {
  const headers: [string, string][] = [['User-Agent', 'trow']]
  if (token !== undefined) headers.push(['Authorization', `Bearer ${token}`])
  else if (basic !== undefined) {
    const pair = Buffer.from(`${basic.username}:${basic.password}`).toString('base64')
    headers.push(['Authorization', `Basic ${pair}`])
  }
  if (impersonate === undefined) return headers
  headers.push(['Impersonate-User', impersonate.user])
  if (impersonate.uid !== undefined) headers.push(['Impersonate-Uid', impersonate.uid])
  // The library's headers hold one value for a name, and groups need one line each.
  if (impersonate.groups.length > 0 || Object.keys(impersonate.extra).length > 0) {
    throw new ClusterFault('refused', 'as-groups and as-user-extra of a kubeconfig are not supported')
  }
  return headers
}

/** So many at once; the others wait for their turn, or until their time is up. */
class Turns {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(free: number) {
    this.#free = free
  }

  async take(signal: AbortSignal, server: string): Promise<() => void> {
    if (this.#free === 0) {
      await new Promise<void>((resolve, reject) => {
        const start = (): void => {
          signal.removeEventListener('abort', expire)
          resolve()
        }
        const expire = (): void => {
          this.#waiting.delete(start)
          reject(new ClusterFault('unreachable', `no answer from ${server}: too many wait for one`))
        }
        signal.addEventListener('abort', expire, { once: true })
        this.#waiting.add(start)
      })
    } else this.#free--
    return () => {
      const [next] = this.#waiting
      if (next === undefined) this.#free++
      else {
        this.#waiting.delete(next)
        next()
      }
    }
  }
}

import { createHash } from 'node:crypto'
import type {
  AuthenticationV1Api,
  AuthorizationV1Api,
  ConfigurationOptions,
  CoreV1Api,
  KubeConfig,
  RequestContext,
} from '@kubernetes/client-node'
import { headersOf, impersonationHeaders, libraryCluster, tlsOf } from './cluster-transport.ts'
import type { ClusterCredential } from './credential-source.ts'
import type { Impersonation, KubeContext } from './kube-context.ts'

export interface ClusterApis {
  readonly core: CoreV1Api
  readonly authentication: AuthenticationV1Api
  readonly authorization: AuthorizationV1Api
}

type Dispatcher = NonNullable<ReturnType<RequestContext['getDispatcher']>>

/** The client library's typed APIs over kept-alive connections. Loading the library takes half a second and 90 MB. */
export class LibraryApis {
  readonly apis: ClusterApis
  readonly #context: KubeContext
  readonly #library: typeof import('@kubernetes/client-node')
  readonly #config: KubeConfig
  /** The library makes a dispatcher, and so a connection, per request; this one is kept with its credential. */
  #current: { readonly key: string; readonly base: Dispatcher; readonly dispatcher: Dispatcher } | undefined

  private constructor(context: KubeContext, library: typeof import('@kubernetes/client-node')) {
    this.#context = context
    this.#library = library
    this.#config = new library.KubeConfig()
    const configuration = library.createConfiguration({
      baseServer: new library.ServerConfiguration(context.cluster.server, {}),
    })
    this.apis = {
      core: new library.CoreV1Api(configuration),
      authentication: new library.AuthenticationV1Api(configuration),
      authorization: new library.AuthorizationV1Api(configuration),
    }
  }

  static async load(context: KubeContext): Promise<LibraryApis> {
    return new LibraryApis(context, await import('@kubernetes/client-node'))
  }

  /** Options for one call, with its credential and time limit. */
  options(credential: ClusterCredential, signal: AbortSignal): ConfigurationOptions {
    const { Observable } = this.#library
    const prepare = async (request: RequestContext): Promise<RequestContext> => {
      for (const [name, value] of Object.entries(headersOf(credential))) request.setHeaderParam(name, value)
      request.setSignal(signal)
      request.setDispatcher(await this.#dispatcher(credential))
      return request
    }
    const middleware: ConfigurationOptions['middleware'] = [
      {
        pre: (request) => new Observable(prepare(request)),
        post: (response) => new Observable(Promise.resolve(response)),
      },
    ]
    return { middleware, middlewareMergeStrategy: 'append' }
  }

  async close(): Promise<void> {
    await this.#current?.base.destroy()
    this.#current = undefined
  }

  async #dispatcher(credential: ClusterCredential): Promise<Dispatcher> {
    const tls = await tlsOf(this.#context, credential)
    const key = createHash('sha256').update(JSON.stringify(tls)).digest('hex')
    if (this.#current?.key === key) return this.#current.dispatcher
    const base = this.#config['createDispatcher'](libraryCluster(this.#context), tls) as Dispatcher
    const last = this.#current
    const dispatcher = overHttp1(base, this.#context.user.impersonate)
    this.#current = { key, base, dispatcher }
    // Closes once its requests have finished.
    void last?.base.close()
    return dispatcher
  }
}

/**
 * HTTP/1.1: a request that times out closes its connection, so the next request gets another; with HTTP/2 all requests
 * would wait on one dead connection. Also, each impersonated group needs a header line of its own. The library's
 * requests cannot express that, and undici's HTTP/2 would join the lines.
 */
function overHttp1(base: Dispatcher, impersonate: Impersonation | undefined): Dispatcher {
  const added = impersonate === undefined ? {} : impersonationHeaders(impersonate)
  return base.compose((dispatch) => (options, handler) => {
    const headers = { ...(options.headers as Record<string, string>), ...added }
    return dispatch({ ...options, headers, allowH2: false } as typeof options, handler)
  })
}

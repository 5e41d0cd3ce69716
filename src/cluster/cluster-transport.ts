import { createHash } from 'node:crypto'
import type { Agent } from 'node:https'
import type { KubeConfig, RequestContext } from '@kubernetes/client-node'
import type { ClusterCredential } from './credential-source.ts'
import type { Impersonation, KubeContext } from './kube-context.ts'
import { readPem } from './pem-source.ts'

export type Dispatcher = NonNullable<ReturnType<RequestContext['getDispatcher']>>

/**
 * Connections to one API server. The library makes a dispatcher, and so a connection, for each request; here one is kept
 * while the credential's certificate and the CA stay the same.
 */
export class ClusterTransport {
  readonly #context: KubeContext
  readonly #library: KubeConfig
  #current: { readonly key: string; readonly base: Dispatcher; readonly dispatcher: Dispatcher } | undefined

  constructor(context: KubeContext, library: KubeConfig) {
    this.#context = context
    this.#library = library
  }

  async dispatcher(credential: ClusterCredential): Promise<Dispatcher> {
    const tls = await this.#tls(credential)
    const key = createHash('sha256').update(JSON.stringify(tls)).digest('hex')
    if (this.#current?.key === key) return this.#current.dispatcher
    const base = this.#library['createDispatcher'](this.#cluster(), tls) as Dispatcher
    const last = this.#current
    const dispatcher = overHttp1(base, this.#context.user.impersonate)
    this.#current = { key, base, dispatcher }
    // Ends when the requests on it have.
    void last?.base.close()
    return dispatcher
  }

  /** For WebSockets, which no dispatcher makes: one connection each. */
  async agent(credential: ClusterCredential): Promise<Agent> {
    // The library keeps an agent for ever, whatever becomes of the certificate.
    this.#library['agentCache'].clear()
    return this.#library['createAgent'](this.#cluster(), await this.#tls(credential)) as Agent
  }

  async close(): Promise<void> {
    await this.#current?.base.destroy()
    this.#current = undefined
  }

  async #tls({ certificate }: ClusterCredential): Promise<Record<string, string | boolean>> {
    const { cluster } = this.#context
    return {
      rejectUnauthorized: !cluster.insecure,
      ...(cluster.ca === undefined ? {} : { ca: await readPem(cluster.ca) }),
      ...(cluster.serverName === undefined ? {} : { servername: cluster.serverName }),
      ...certificate,
    }
  }

  #cluster(): Parameters<KubeConfig['createDispatcherOptions']>[0] {
    const { name, cluster } = this.#context
    return {
      name,
      server: cluster.server,
      skipTLSVerify: cluster.server.startsWith('http:') || cluster.insecure,
      ...(cluster.proxyUrl === undefined ? {} : { proxyUrl: cluster.proxyUrl }),
    }
  }
}

/** Without impersonation. */
export function headersOf({ token, basic }: ClusterCredential): Record<string, string> {
  const headers: Record<string, string> = { 'User-Agent': 'trow' }
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`
  else if (basic !== undefined) {
    const pair = Buffer.from(`${basic.username}:${basic.password}`).toString('base64')
    headers['Authorization'] = `Basic ${pair}`
  }
  return headers
}

/** As client-go's transport writes them; one line a value. */
export function impersonationHeaders(impersonate: Impersonation): Record<string, string | string[]> {
  const extra = Object.entries(impersonate.extra).map(
    ([key, values]) => [`Impersonate-Extra-${encodeURIComponent(key)}`, [...values]] as const,
  )
  return {
    'Impersonate-User': impersonate.user,
    ...(impersonate.uid === undefined ? {} : { 'Impersonate-Uid': impersonate.uid }),
    ...(impersonate.groups.length === 0 ? {} : { 'Impersonate-Group': [...impersonate.groups] }),
    ...Object.fromEntries(extra),
  }
}

/**
 * A request that takes too long closes its connection, so the next one gets another: with HTTP/2 all would go on waiting on
 * one that is dead. And where groups are impersonated each needs a line of its own, which the library's requests cannot
 * say and undici's HTTP/2 would join.
 */
function overHttp1(base: Dispatcher, impersonate: Impersonation | undefined): Dispatcher {
  const added = impersonate === undefined ? {} : impersonationHeaders(impersonate)
  return base.compose((dispatch) => (options, handler) => {
    const headers = { ...(options.headers as Record<string, string>), ...added }
    return dispatch({ ...options, headers, allowH2: false } as typeof options, handler)
  })
}

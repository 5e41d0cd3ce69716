import { createHash } from 'node:crypto'
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { Cluster } from '@kubernetes/client-node'
import type { ClusterCredential } from './credential-source.ts'
import type { Impersonation, KubeContext } from './kube-context.ts'
import { readPem } from './pem-source.ts'

export interface TransportRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly signal: AbortSignal
}

/** Milliseconds without a byte after which a response is given up. */
const silence = 300_000
/** Idle milliseconds before TCP keep-alive probes, as in client-go. */
const keepAliveMsecs = 30_000

type Agents = { readonly kept: HttpsAgent; readonly single: HttpsAgent }

/**
 * Connections to one API server, kept while the certificates stay the same. HTTP/1.1: a request that times out closes
 * its connection, so the next one gets another; with HTTP/2 all requests would wait on one dead connection.
 */
export class ClusterTransport {
  readonly #context: KubeContext
  #current: { readonly key: string; readonly agents: Agents } | undefined

  constructor(context: KubeContext) {
    this.#context = context
  }

  /** Rejects with the errors of node:http. The caller reads the response body. */
  async send(request: TransportRequest, credential: ClusterCredential): Promise<IncomingMessage> {
    const { kept: agent } = await this.#agents(credential)
    const { method, path, body, signal } = request
    const headers = {
      ...this.headers(credential),
      ...request.headers,
      ...(body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
    }
    const { server } = this.#context.cluster
    const start = server.startsWith('http:') ? requestHttp : requestHttps
    return new Promise((resolve, reject) => {
      const outgoing = start(`${server}${path}`, { method, headers, agent, signal }, (answer) => {
        // After the response headers, errors reach the caller through the response stream.
        outgoing.on('error', () => undefined)
        resolve(answer)
      })
      outgoing.setTimeout(silence, () => outgoing.destroy(new Error('it has said nothing for minutes')))
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  /** For a WebSocket: the agent opens a connection for it alone. */
  async socketAgent(credential: ClusterCredential): Promise<HttpsAgent> {
    return (await this.#agents(credential)).single
  }

  headers(credential: ClusterCredential): Record<string, string | string[]> {
    const { impersonate } = this.#context.user
    return {
      ...headersOf(credential),
      ...(impersonate === undefined ? {} : impersonationHeaders(impersonate)),
    }
  }

  close(): void {
    this.#current?.agents.kept.destroy()
    this.#current = undefined
  }

  async #agents(credential: ClusterCredential): Promise<Agents> {
    const tls = await tlsOf(this.#context, credential)
    const key = createHash('sha256').update(JSON.stringify(tls)).digest('hex')
    if (this.#current?.key === key) return this.#current.agents
    const agents = { kept: await this.#agent(tls, true), single: await this.#agent(tls, false) }
    // Idle connections of the previous agents close by themselves.
    this.#current = { key, agents }
    return agents
  }

  async #agent(tls: Record<string, string | boolean>, keepAlive: boolean): Promise<HttpsAgent> {
    const { server, proxyUrl } = this.#context.cluster
    const options = { ...tls, keepAlive, keepAliveMsecs, timeout: silence }
    if (proxyUrl !== undefined) {
      // Loaded only for proxies: the library takes half a second and 90 MB, and has agents for every kind of proxy.
      const { KubeConfig } = await import('@kubernetes/client-node')
      return new KubeConfig()['createAgent'](libraryCluster(this.#context), options) as HttpsAgent
    }
    return server.startsWith('http:') ? (new HttpAgent(options) as HttpsAgent) : new HttpsAgent(options)
  }
}

/** The context's cluster as the client library's type. */
export function libraryCluster({ name, cluster }: KubeContext): Cluster {
  return {
    name,
    server: cluster.server,
    skipTLSVerify: cluster.server.startsWith('http:') || cluster.insecure,
    ...(cluster.proxyUrl === undefined ? {} : { proxyUrl: cluster.proxyUrl }),
  }
}

/** Throws UserError KUBECONFIG_INVALID for a file that cannot be read. */
export async function tlsOf(
  { cluster }: KubeContext,
  { certificate }: ClusterCredential,
): Promise<Record<string, string | boolean>> {
  return {
    rejectUnauthorized: !cluster.insecure,
    ...(cluster.ca === undefined ? {} : { ca: await readPem(cluster.ca) }),
    ...(cluster.serverName === undefined ? {} : { servername: cluster.serverName }),
    ...certificate,
  }
}

/** Headers of the credential, without impersonation. */
export function headersOf({ token, basic }: ClusterCredential): Record<string, string> {
  const headers: Record<string, string> = { 'User-Agent': 'trow' }
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`
  else if (basic !== undefined) {
    const pair = Buffer.from(`${basic.username}:${basic.password}`).toString('base64')
    headers['Authorization'] = `Basic ${pair}`
  }
  return headers
}

/** Header names and escaping are those of client-go's transport; each value is a header line of its own. */
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

import type { IncomingMessage } from 'node:http'
import type { Agent } from 'node:https'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConfigurationOptions } from '@kubernetes/client-node'
import { ClusterFault, faultOf, toFault } from './cluster-fault.ts'
import type { ClusterCredential, CredentialSource } from './credential-source.ts'
import type { KubeContext } from './kube-context.ts'
import { UserError } from '../user-error.ts'
import { ClusterTransport } from './cluster-transport.ts'
import { LibraryApis, type ClusterApis } from './library-apis.ts'
import { Turns } from './turns.ts'

export interface ConnectionOptions {
  readonly context: KubeContext
  readonly credentials: CredentialSource
  /** Milliseconds for one request, including the wait for a free connection; 3000 by default. */
  readonly timeout?: number
  /** Concurrent requests, and therefore connections; 32 by default. */
  readonly concurrency?: number
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** With its query, escaped: `/api/v1/nodes?limit=500`. */
  readonly path: string
  /** Sent as JSON, whatever `contentType` says. */
  readonly body?: object | undefined
  /** `application/json` by default. */
  readonly contentType?: string
  /** `application/json` by default. */
  readonly accept?: string
  /** Aborts the request and the reading of its response. */
  readonly signal?: AbortSignal
}

/** A response with a status of 200 to 299. */
export interface ApiAnswer {
  /** Header names are in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** The parameters of a WebSocket to the API server, which the client library's requests cannot open. */
export interface SocketSetup {
  /** `wss://…`. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly agent: Agent
}

/** Requests to the API server over kept-alive connections. */
export interface ClusterConnection {
  readonly server: string
  /** Pass `options` on to the call: they carry its time limit. Throws ClusterFault, or a credential's UserError. */
  ask<T>(call: (apis: ClusterApis, options: ConfigurationOptions) => Promise<T>): Promise<T>
  /**
   * Sends any request. The time limit covers the whole response body. A GET that is answered 429 is repeated as
   * Retry-After says. Throws as `ask`.
   */
  request(request: ApiRequest): Promise<ApiAnswer>
  /** The time limit covers the response headers only; the body runs until the signal aborts. Throws as `ask`. */
  stream(request: ApiRequest): Promise<AsyncIterable<Uint8Array>>
  /**
   * `open` makes the WebSocket and throws ClusterFault if it is refused. Its signal combines the time limit and the
   * caller's signal. Throws as `ask`.
   */
  socket<T>(
    path: string,
    open: (setup: SocketSetup, signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>
  close(): Promise<void>
}

/** As client-go: a reading request that is answered 429 with Retry-After is sent so often, within its time limit. */
const mostAsked = 10

/** Sends no request. The first `ask` loads the client library, which takes half a second. */
export async function connectCluster(options: ConnectionOptions): Promise<ClusterConnection> {
  const { server } = options.context.cluster
  const transport = new ClusterTransport(options.context)
  const turns = new Turns(options.concurrency ?? 32)
  const { credentials, timeout = 3000 } = options
  let library: Promise<LibraryApis> | undefined

  /** Retries once: with a new credential after a 401, or on a new connection after a cut one. */
  async function attempts<T>(
    signal: AbortSignal,
    once: (credential: ClusterCredential) => Promise<T>,
  ): Promise<T> {
    let credential = await credentials.current()
    const done = await turns.take(signal, server)
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          return await once(credential)
        } catch (thrown) {
          if (thrown instanceof UserError) throw thrown
          // Whoever reads a body that is cut by the limit is only told that it ended.
          const isFault = thrown instanceof ClusterFault
          const error = toFault(signal.aborted && !isFault ? signal.reason : thrown, server)
          if (attempt === 2 || signal.aborted) throw error
          // The server may have just closed a kept connection. Our requests are safe to repeat.
          const cut = error.kind === 'unreachable' && error.status === undefined
          const replaced = error.kind === 'unauthorized' && (await credentials.replace(credential))
          if (!cut && !replaced) throw error
          credential = await credentials.current()
        }
      }
    } finally {
      done()
    }
  }

  async function send(
    request: ApiRequest,
    credential: ClusterCredential,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { method, path, contentType = 'application/json', accept = 'application/json' } = request
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    const headers = { Accept: accept, ...(body === undefined ? {} : { 'Content-Type': contentType }) }
    const answer = await transport.send({ method, path, headers, body, signal }, credential)
    const { statusCode: status = 500 } = answer
    if (status >= 200 && status < 300) return answer
    throw faultOf({ status, headers: single(answer), body: await text(answer) }, server)
  }

  return {
    server,
    async ask(call) {
      const loaded = await (library ??= LibraryApis.load(options.context))
      const signal = AbortSignal.timeout(timeout)
      return attempts(signal, async (credential) => call(loaded.apis, loaded.options(credential, signal)))
    },
    async request(request) {
      const limit = AbortSignal.timeout(timeout)
      const signal = request.signal === undefined ? limit : AbortSignal.any([limit, request.signal])
      for (let asked = 1; ; asked++) {
        try {
          return await attempts(signal, async (credential) => {
            const answer = await send(request, credential, signal)
            // The body is read here, so that the time limit and the retry cover it.
            return { headers: single(answer), text: await text(answer) }
          })
        } catch (error) {
          // An API server that has just been told of a kind answers 429 until its storage is ready.
          if (request.method !== 'GET' || asked === mostAsked || !(await isOver(error, signal))) throw error
        }
      }
    },
    async stream(request) {
      const limit = new AbortController()
      const timer = setTimeout(
        () => limit.abort(new DOMException('no head of an answer', 'TimeoutError')),
        timeout,
      )
      const signal =
        request.signal === undefined ? limit.signal : AbortSignal.any([limit.signal, request.signal])
      try {
        return await attempts(signal, (credential) => send(request, credential, signal))
      } finally {
        clearTimeout(timer)
      }
    },
    async socket(path, open, stop) {
      const limit = AbortSignal.timeout(timeout)
      const signal = stop === undefined ? limit : AbortSignal.any([limit, stop])
      return attempts(signal, async (credential) => {
        const headers = transport.headers(credential)
        const agent = await transport.socketAgent(credential)
        return open({ url: `${server.replace(/^http/, 'ws')}${path}`, headers, agent }, signal)
      })
    },
    async close() {
      transport.close()
      await (await library)?.close()
    },
  }
}

/** Waits as a busy API server says; false if it is not busy, does not say for how long, or the signal came first. */
async function isOver(error: unknown, signal: AbortSignal): Promise<boolean> {
  if (!(error instanceof ClusterFault) || error.kind !== 'busy' || error.retryAfter === undefined)
    return false
  return sleep(error.retryAfter * 1000, true, { signal }).catch(() => false)
}

function single({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

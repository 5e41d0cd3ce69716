import type { IncomingMessage } from 'node:http'
import type { Agent } from 'node:https'
import { text } from 'node:stream/consumers'
import type { ConfigurationOptions } from '@kubernetes/client-node'
import { faultOf, toFault } from './cluster-fault.ts'
import type { ClusterCredential, CredentialSource } from './credential-source.ts'
import type { KubeContext } from './kube-context.ts'
import { UserError } from '../user-error.ts'
import { ClusterTransport } from './cluster-transport.ts'
import { LibraryApis, type ClusterApis } from './library-apis.ts'
import { Turns } from './turns.ts'

export interface ConnectionOptions {
  readonly context: KubeContext
  readonly credentials: CredentialSource
  /** Milliseconds for one request, waiting for its turn included; 3000 when not given. */
  readonly timeout?: number
  /** Requests at once, and so connections; 32 when not given. */
  readonly concurrency?: number
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** With its query, escaped: `/api/v1/nodes?limit=500`. */
  readonly path: string
  /** JSON, whatever `contentType` says of it. */
  readonly body?: object | undefined
  /** `application/json` when not given. */
  readonly contentType?: string
  /** `application/json` when not given. */
  readonly accept?: string
  /** Ends the request, and the reading of its answer. */
  readonly signal?: AbortSignal
}

/** An answer of 200 to 299. */
export interface ApiAnswer {
  /** Names in small letters. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** What a WebSocket to the API server needs, which the library's requests do not make. */
export interface SocketSetup {
  /** `wss://…`. */
  readonly url: string
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly agent: Agent
}

/** Requests of the API server over connections that are kept. */
export interface ClusterConnection {
  readonly server: string
  /** The options are for the call: they carry its time limit. Throws ClusterFault, and UserError of the credential. */
  ask<T>(call: (apis: ClusterApis, options: ConfigurationOptions) => Promise<T>): Promise<T>
  /** Any request; the time limit holds until the answer is read. Throws as `ask`. */
  request(request: ApiRequest): Promise<ApiAnswer>
  /** The time limit holds until the head of the answer; the body goes on until the signal. Throws as `ask`. */
  stream(request: ApiRequest): Promise<AsyncIterable<Uint8Array>>
  /**
   * `open` makes a WebSocket and throws ClusterFault where it is refused; the signal is its time limit, and the caller's.
   * Throws as `ask`.
   */
  socket<T>(
    path: string,
    open: (setup: SocketSetup, signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>
  close(): Promise<void>
}

/** Asks nothing yet. The client library is loaded by the first `ask`, which takes half a second then. */
export async function connectCluster(options: ConnectionOptions): Promise<ClusterConnection> {
  const { server } = options.context.cluster
  const transport = new ClusterTransport(options.context)
  const turns = new Turns(options.concurrency ?? 32)
  const { credentials, timeout = 3000 } = options
  let library: Promise<LibraryApis> | undefined

  /** Once more with another credential where this one is refused, and over another connection where one was cut. */
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
          const error = toFault(thrown, server)
          if (attempt === 2 || signal.aborted) throw error
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
      return attempts(signal, async (credential) => {
        const answer = await send(request, credential, signal)
        // Read here, so that the time limit and a second attempt cover it.
        return { headers: single(answer), text: await text(answer) }
      })
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

function single({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

import type { Duplex } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Agent, Dispatcher } from 'undici'
import type { z } from 'zod'
import { errorCode } from '../error-code.ts'
import { ForeignJsonError, parseForeignJson } from '../foreign-json.ts'
import { Http1Agent } from '../http1-agent.ts'
import { plainReason } from '../plain-reason.ts'
import { errorOf } from '../reason-of.ts'
import { TokenServiceClient, type RegistryCredentials } from './token-service.ts'
import { RateLimit } from './rate-limit.ts'
import { Redirects } from './redirects.ts'
import { registryReason } from './registry-errors.ts'
import { isNoTls } from './spoken-protocol.ts'
import { UpstreamFault } from './upstream-fault.ts'

export interface HttpRegistryOptions {
  /** `http://host:port` or `https://host:port`, without a path. */
  readonly origin: string
  /** PEM of the trusted CAs; `undefined` means those of the system. */
  readonly ca: string | undefined
  readonly credentials: RegistryCredentials | undefined
  /** The client certificate in PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string } | undefined
  /**
   * Opens the connections. TLS runs inside of them and is verified against the origin's host. A request
   * rejects with an UpstreamFault of `dial` unchanged; any other error of `dial` becomes `unreachable`.
   */
  readonly dial?: (() => Promise<Duplex>) | undefined
  /**
   * Called before requests wait because the registry answered 429, with the seconds that it asked for. If
   * absent, no request waits: a 429 is returned as any other status.
   */
  readonly onWait?: ((seconds: number) => void) | undefined
}

type Sent = Pick<Dispatcher.RequestOptions, 'method' | 'path' | 'body'> & {
  readonly headers: Record<string, string>
  readonly signal?: AbortSignal
  readonly bodyTimeout?: number
}

export interface RegistryResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** The body of a GET, as it comes. */
export interface RegistryStream {
  /** 206 for a request with a Range, if the registry takes it. */
  readonly status: 200 | 206
  readonly chunks: AsyncIterable<Buffer>
}

/** Answers 429 to one request until the last of them is returned. */
const mostWaits = 8

/** The largest answer in bytes that is read into memory. */
export const largest = 64 * 1024 * 1024

/** Sends requests to one registry. Throws UpstreamFault if the registry gives no usable answer. */
export class RegistryHttp {
  readonly origin: string
  readonly #agent: Agent
  readonly #headers: Readonly<Record<string, string>>
  /**
   * `undefined` for a registry that is reached by `dial`: its token service could not be reached, and it
   * accepts passwords.
   */
  readonly #tokens: TokenServiceClient | undefined
  readonly #redirects: Redirects
  readonly #limit: RateLimit | undefined

  constructor(options: HttpRegistryOptions) {
    const { origin, credentials } = options
    this.origin = origin
    this.#agent = new Http1Agent({ connect: connectorOf(options), headersTimeout: 60_000 })
    const pair =
      credentials && 'username' in credentials ? `${credentials.username}:${credentials.password}` : undefined
    this.#headers =
      pair === undefined ? {} : { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
    this.#tokens = options.dial === undefined ? new TokenServiceClient(options) : undefined
    this.#redirects = new Redirects(origin, this.#agent)
    this.#limit = options.onWait && new RateLimit(options.onWait)
  }

  /** Throws UpstreamFault `denied`, `token-service`, `unreachable`, `untrusted`, `not-tls`, and that of `dial`. */
  async ask(
    method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    headers: Record<string, string> = {},
    limit = largest,
    body: Dispatcher.DispatchOptions['body'] = null,
  ): Promise<RegistryResponse> {
    // A stream can be sent only once. The request before it has already obtained a token.
    const canRepeat = body === null || body instanceof Uint8Array
    const request = { method, path, headers, body }
    if (canRepeat) return this.#whole(await this.#patiently(request), limit)
    const answer = (await this.#begin(request, true))!
    if (answer.statusCode === 429) this.#limit?.note(answer.headers['retry-after'])
    return this.#whole(answer, limit)
  }

  /**
   * Returns the body of a GET as a stream, which may never end; any status other than 200 and 206 is returned
   * as by `ask`. The connection counts as cut after `silence` milliseconds without a byte. Throws as `ask`;
   * the stream throws what cuts it.
   */
  async stream(
    path: string,
    {
      signal,
      silence,
      headers = {},
    }: {
      readonly signal?: AbortSignal
      readonly silence: number
      readonly headers?: Record<string, string>
    },
  ): Promise<RegistryStream | RegistryResponse> {
    const request = { method: 'GET' as const, path, headers, body: null, bodyTimeout: silence }
    const answer = await this.#patiently({ ...request, ...(signal === undefined ? {} : { signal }) })
    const { statusCode: status } = answer
    if (status === 200 || status === 206) return { status, chunks: answer.body as AsyncIterable<Buffer> }
    return this.#whole(answer, largest)
  }

  /** Sends a request again with a new token, and after a 429 when the registry takes it. */
  async #patiently(request: Sent): Promise<Dispatcher.ResponseData> {
    for (let waits = 0; ; waits++) {
      const answer = (await this.#begin(request, false)) ?? (await this.#begin(request, true))!
      if (answer.statusCode !== 429 || waits === mostWaits) return answer
      if (this.#limit?.note(answer.headers['retry-after']) !== true) return answer
      await answer.body.dump()
    }
  }

  /**
   * Returns `undefined` if a new token was obtained and the request must be sent again; never if `last` is
   * true.
   */
  async #begin(request: Sent, last: boolean): Promise<Dispatcher.ResponseData | undefined> {
    try {
      await this.#limit?.turn()
      const token = await this.#tokens?.authorization()
      const credential = token === undefined ? this.#headers : { authorization: token }
      const headers = { ...credential, ...request.headers }
      const first = await this.#agent.request({ ...request, origin: this.origin, headers })
      const answer = await this.#redirects.follow(request, credential, first)
      const { statusCode: status } = answer
      if (status !== 401 && status !== 403) return answer
      const { body } = await this.#whole(answer, largest)
      const challenge = status === 401 ? [answer.headers['www-authenticate']].flat().join(', ') : ''
      if (!last && (await this.#tokens?.takeUp(challenge, token))) return undefined
      throw this.#denied(status, body)
    } catch (cause) {
      throw cause instanceof UpstreamFault ? cause : this.cut(cause)
    }
  }

  async #whole(answer: Dispatcher.ResponseData, limit: number): Promise<RegistryResponse> {
    try {
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of answer.body) {
        size += (chunk as Buffer).length
        chunks.push(chunk as Buffer)
        if (size > limit) break
      }
      return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }
    } catch (cause) {
      throw this.cut(cause)
    }
  }

  /** Throws UpstreamFault `unexpected-status`. */
  expect({ status, body }: RegistryResponse, ...expected: readonly number[]): void {
    if (expected.includes(status)) return
    const message = `${this.origin}: it answered ${status}: ${explain(body)}`
    throw this.#fault('unexpected-status', message, { status })
  }

  /**
   * The fault for a deletion that the registry refuses: something needs it, or the registry never deletes.
   */
  kept({ body }: RegistryResponse): UpstreamFault {
    return this.#fault('kept', `${this.origin} keeps it: ${explain(body)}`)
  }

  missing(reason: string): UpstreamFault {
    return this.#fault('missing', `${this.origin}: ${reason}`)
  }

  /** The fault for an answer that does not fit the request. */
  malformed(reason: string): UpstreamFault {
    return this.#fault('malformed', `${this.origin}: ${reason}`)
  }

  /** The JSON of an answer. Throws UpstreamFault `malformed` where it does not fit the schema. */
  parse<Schema extends z.ZodType>({ body }: RegistryResponse, schema: Schema): z.infer<Schema> {
    try {
      return parseForeignJson(body, schema, largest)
    } catch (error) {
      if (error instanceof ForeignJsonError) throw this.malformed(`its answer: ${error.message}`)
      throw error
    }
  }

  /** Aborts the running requests. */
  async close(): Promise<void> {
    this.#limit?.close()
    await Promise.all([this.#agent.destroy(), this.#redirects.close()])
  }

  #denied(status: number, body: Buffer): UpstreamFault {
    const words = body.length === 0 ? ` (${status})` : `: ${explain(body)}`
    const message = `${this.origin} does not permit this${words}`
    return this.#fault('denied', message, { status })
  }

  #fault(
    kind: UpstreamFault['kind'],
    message: string,
    options: { readonly status?: number; readonly cause?: unknown } = {},
  ): UpstreamFault {
    return new UpstreamFault(kind, message, { ...options, origin: this.origin })
  }

  /** The fault for a connection that was not made, or was cut. */
  cut(cause: unknown): UpstreamFault {
    const code = errorCode(cause) ?? ''
    const message = cause instanceof Error ? cause.message : ''
    if (/CERT|SELF_SIGNED|ISSUER|ALTNAME|SIGNATURE/.test(code))
      return this.#fault('untrusted', `the certificate of ${this.origin} is not trusted: ${message}`, {
        cause,
      })
    if (isNoTls(code)) return this.#fault('not-tls', `${this.origin} does not speak TLS`, { cause })
    return this.#fault('unreachable', `${this.origin} cannot be reached: ${plainReason(cause)}`, { cause })
  }
}

function connectorOf({
  origin,
  ca,
  certificate,
  dial,
}: HttpRegistryOptions): NonNullable<Agent.Options['connect']> {
  const tls = { ...(ca === undefined ? {} : { ca }), ...certificate }
  if (dial === undefined) return tls
  const { protocol, hostname } = new URL(origin)
  return (_, callback) => {
    const open = async (): Promise<TLSSocket> => {
      const stream = await dial()
      if (protocol === 'http:') return stream as TLSSocket
      const socket = connectTls({ ...tls, socket: stream, servername: hostname, ALPNProtocols: ['http/1.1'] })
      await new Promise<void>((resolve, reject) => {
        socket.once('secureConnect', resolve)
        socket.once('error', reject)
        // The error of the stream below states the reason; TLS only reports that the stream ended.
        stream.once('error', reject)
      }).catch((error: unknown) => {
        socket.destroy()
        throw error
      })
      stream.on('error', (error) => socket.destroy(error))
      return socket
    }
    open().then(
      (socket) => callback(null, socket),
      (error: unknown) => callback(errorOf(error), null),
    )
  }
}

function explain(body: Buffer): string {
  return registryReason(body) ?? body.toString().slice(0, 200)
}

import type { Duplex } from 'node:stream'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { Agent, type Dispatcher } from 'undici'
import { errorCode } from '../error-code.ts'
import { reasonOf } from '../reason-of.ts'
import { TokenService, type RegistryCredentials } from './token-service.ts'
import { registryReason } from './registry-errors.ts'
import { UpstreamFault } from './upstream-fault.ts'

export interface HttpRegistryOptions {
  /** `http://host:port` or `https://host:port`, without a path. */
  readonly origin: string
  /** PEM; undefined: the system's. */
  readonly ca: string | undefined
  readonly credentials: RegistryCredentials | undefined
  /** Shown to the registry, PEM. */
  readonly certificate?: { readonly cert: string; readonly key: string } | undefined
  /**
   * Makes the connections; TLS, checked against the origin's host, is spoken inside of them. An UpstreamFault that it rejects
   * with comes out of the request as it is, everything else as `unreachable`.
   */
  readonly dial?: (() => Promise<Duplex>) | undefined
}

type Sent = Pick<Dispatcher.RequestOptions, 'method' | 'path' | 'body'> & {
  readonly headers: Record<string, string>
  readonly signal?: AbortSignal
  readonly bodyTimeout?: number
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** Bytes of the largest answer that is taken into memory. */
export const largest = 64 * 1024 * 1024

/** Requests to one registry; what keeps it from answering is an UpstreamFault. */
export class RegistryHttp {
  readonly origin: string
  readonly #agent: Agent
  readonly #headers: Readonly<Record<string, string>>
  /** Not of a registry that is dialled: its token service could not be reached, and it takes passwords. */
  readonly #tokens: TokenService | undefined

  constructor(options: HttpRegistryOptions) {
    const { origin, credentials } = options
    this.origin = origin
    this.#agent = new Agent({ connect: connectorOf(options), headersTimeout: 60_000 })
    const pair =
      credentials && 'username' in credentials ? `${credentials.username}:${credentials.password}` : undefined
    this.#headers =
      pair === undefined ? {} : { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
    this.#tokens = options.dial === undefined ? new TokenService(options) : undefined
  }

  /** Throws UpstreamFault `denied`, `token-service`, `unreachable`, `untrusted`, and that of `dial`. */
  async ask(
    method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    headers: Record<string, string> = {},
    limit = largest,
    body: Dispatcher.DispatchOptions['body'] = null,
  ): Promise<Answer> {
    // A stream can be sent only once; what comes before it has taken a token.
    const canRepeat = body === null || body instanceof Uint8Array
    const send = (last: boolean) => this.#send({ method, path, headers, body }, limit, last)
    return (canRepeat ? await send(false) : undefined) ?? (await send(true))!
  }

  /**
   * The body of a GET as it comes, which may be never-ending; any other status than 200 as `ask` has it. `silence`: after so
   * many milliseconds without a byte the connection counts as cut. Throws as `ask` does, and on the way what cuts it.
   */
  async stream(
    path: string,
    { signal, silence }: { readonly signal: AbortSignal; readonly silence: number },
  ): Promise<AsyncIterable<Buffer> | Answer> {
    const request: Sent = { method: 'GET', path, headers: {}, body: null, signal, bodyTimeout: silence }
    for (let last = false; ; last = true) {
      const sent = await this.#begin(request, last)
      if (sent === undefined) continue
      if (sent.statusCode === 200) return sent.body as AsyncIterable<Buffer>
      return this.#whole(sent, largest)
    }
  }

  async #send(request: Sent, limit: number, last: boolean): Promise<Answer | undefined> {
    const answer = await this.#begin(request, last)
    return answer && this.#whole(answer, limit)
  }

  /** Undefined: there is a token now, with which to ask again; never the `last` time. */
  async #begin({ headers, ...request }: Sent, last: boolean): Promise<Dispatcher.ResponseData | undefined> {
    try {
      const authorization = await this.#tokens?.authorization()
      const answer = await this.#agent.request({
        ...request,
        origin: this.origin,
        headers: { ...this.#headers, ...headers, ...(authorization === undefined ? {} : { authorization }) },
      })
      const { statusCode: status } = answer
      if (status !== 401 && status !== 403) return answer
      const { body } = await this.#whole(answer, largest)
      const challenge = status === 401 ? [answer.headers['www-authenticate']].flat().join(', ') : ''
      if (!last && (await this.#tokens?.takeUp(challenge, authorization))) return undefined
      throw this.#denied(status, body)
    } catch (cause) {
      throw cause instanceof UpstreamFault ? cause : this.#unreachable(cause)
    }
  }

  async #whole(answer: Dispatcher.ResponseData, limit: number): Promise<Answer> {
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
      throw this.#unreachable(cause)
    }
  }

  /** Throws UpstreamFault `unexpected-status`. */
  expect({ status, body }: Answer, ...expected: readonly number[]): void {
    if (expected.includes(status)) return
    const message = `${this.origin}: it answered ${status}: ${explain(body)}`
    throw new UpstreamFault('unexpected-status', message, { status })
  }

  /** A deletion that the registry does not make: it is in use, or the registry deletes nothing. */
  kept({ body }: Answer): UpstreamFault {
    return new UpstreamFault('kept', `${this.origin} keeps it: ${explain(body)}`)
  }

  /** An answer that is not what was asked for. */
  malformed(reason: string): UpstreamFault {
    return new UpstreamFault('malformed', `${this.origin}: ${reason}`)
  }

  /** Ends what is still asked. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  #denied(status: number, body: Buffer): UpstreamFault {
    const words = body.length === 0 ? '' : `: ${explain(body)}`
    return new UpstreamFault('denied', `${this.origin} does not permit this (${status}${words})`)
  }

  #unreachable(cause: unknown): UpstreamFault {
    const code = errorCode(cause) ?? ''
    const message = cause instanceof Error ? cause.message : ''
    if (/CERT|SELF_SIGNED|ISSUER|ALTNAME|SIGNATURE/.test(code))
      return new UpstreamFault('untrusted', `the certificate of ${this.origin} is not trusted: ${message}`, {
        cause,
      })
    return new UpstreamFault(
      'unreachable',
      `${this.origin} cannot be reached: ${message || code || reasonOf(cause)}`,
      { cause },
    )
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
        // What ends the connection below says why; TLS only notices that it ended.
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
      (error: unknown) => callback(error as Error, null),
    )
  }
}

function explain(body: Buffer): string {
  return registryReason(body) ?? body.toString().slice(0, 200)
}

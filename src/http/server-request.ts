import type { IncomingMessage, ServerResponse } from 'node:http'
import type { PresentedCredentials } from '../access/access.ts'
import type { ClientCertificate } from '../access/credential.ts'
import type { Principal } from '../access/principal.ts'
import type { Body } from '../registry/registry.ts'
import type { Requester } from '../registry/requester.ts'
import type { Caller } from './caller.ts'
import { ClientGone, RequestBody } from './request-body.ts'
import type { TokenRealm } from './token-realm.ts'

/** What the listener knows of a request from its connection. */
export interface RequestOrigin {
  readonly id: string
  readonly certificate: ClientCertificate | undefined
  /** The client's address; behind trusted proxies, the address that they forward. */
  readonly address: string
}

/** A request as handlers see it. */
export class ServerRequest {
  readonly method: string
  readonly path: string
  readonly id: string
  /** Bytes of the body read so far. */
  bytesIn = 0
  /** Undefined until the request is admitted, and where callers are not identified. */
  caller: Caller | undefined
  /** Who sent it, admitted or not. Undefined until that is known, and where callers are not identified. */
  identified: Principal | undefined
  /** The credentials and the address that the client presents. */
  readonly presented: PresentedCredentials
  readonly #message: IncomingMessage
  readonly #response: ServerResponse
  readonly #search: string
  #query: URLSearchParams | undefined
  #body: RequestBody | undefined
  #abort: AbortController | undefined

  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    { id, certificate, address }: RequestOrigin,
  ) {
    const url = originForm(message.url ?? '/')
    const mark = url.indexOf('?')
    this.method = message.method ?? 'GET'
    this.path = mark === -1 ? url : url.slice(0, mark)
    this.#search = mark === -1 ? '' : url.slice(mark + 1)
    this.id = id
    this.presented = { authorization: message.headers.authorization, certificate, address }
    this.#message = message
    this.#response = response
  }

  /** The caller, for the registry. Throws on routes that do not identify their callers. */
  get requester(): Requester {
    if (this.caller === undefined) throw new Error('nobody was asked who they are')
    return this.caller
  }

  get lacksHost(): boolean {
    return this.#message.headers.host === undefined && this.#message.httpVersionMinor === 1
  }

  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.#search))
  }

  /** A query value in which + is a plus (RFC 3986), not a blank as in forms. */
  queryText(name: string): string | undefined {
    return new URLSearchParams(this.#search.replaceAll('+', '%2B')).get(name) ?? undefined
  }

  get hasQuery(): boolean {
    return this.#search !== ''
  }

  /** `name` is lowercase. Node joins repeated headers where the standard allows it. */
  header(name: string): string | undefined {
    const value = this.#message.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  /** The URL of the token service for this client. */
  realm(realm: TokenRealm): string {
    return realm.urlFor(this.#message)
  }

  /** The user name of a refused Basic header; undefined if it could be a secret in the wrong place. */
  get claimedName(): string | undefined {
    const [scheme, value = ''] = this.presented.authorization?.split(' ') ?? []
    if (scheme?.toLowerCase() !== 'basic') return undefined
    const name = Buffer.from(value, 'base64').toString('utf8').split(':')[0] ?? ''
    return /^[a-z0-9][\w.@+-]{0,31}$/i.test(name) && !name.startsWith('trow_')
      ? `${name} (not verified)`
      : undefined
  }

  get hasBody(): boolean {
    const { headers } = this.#message
    return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  }

  /** Content-Length; undefined with chunked transfer encoding. */
  get bodyLength(): number | undefined {
    const { headers } = this.#message
    return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined
  }

  /**
   * Call it once. A client that expects 100 Continue receives it when the body is first read: by then every
   * check that needs no body has passed.
   */
  body(): Body {
    const { bodyLength: length } = this
    if (this.#message.headers.expect === undefined) return { source: this.#read(), length, onDemand: false }
    const source: Body['source'] = {
      [Symbol.asyncIterator]: () => {
        this.#response.writeContinue()
        return this.#read()[Symbol.asyncIterator]()
      },
    }
    return { source, length, onDemand: true }
  }

  #read(): Body['source'] {
    this.#body = new RequestBody(this.#message)
    return counted(this.#body, this)
  }

  /** Discards the rest of the body: the reply is decided. */
  abandonBody(): void {
    this.#body?.abandon()
  }

  /** Closes the connection, even with bytes still to be sent. */
  cut(): void {
    this.#message.socket.destroy()
  }

  /** False while the client can do nothing but wait for trow. */
  get awaitsClient(): boolean {
    return this.#body?.starved === true || this.#response.writableLength > 0
  }

  /** Fires when the client goes away, with ClientGone. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = (this.#abort = new AbortController())
      const gone = (): void => {
        if (!this.#response.writableFinished) abort.abort(new ClientGone())
      }
      this.#response.once('close', gone)
      if (this.#response.closed) gone()
    }
    return this.#abort.signal
  }
}

/**
 * Turns the absolute form of a target, `http://host/path`, into the origin form; a server must accept both
 * (RFC 9112, 3.2.2).
 */
function originForm(url: string): string {
  if (url.startsWith('/')) return url
  const target = /^https?:\/\/[^/?#]*(.*)$/i.exec(url)?.[1]
  if (target === undefined) return url
  return target.startsWith('/') ? target : `/${target}`
}

function counted(source: Body['source'], request: ServerRequest): Body['source'] {
  return {
    [Symbol.asyncIterator]() {
      const iterator = source[Symbol.asyncIterator]()
      return {
        async next() {
          const result = await iterator.next()
          if (!result.done) request.bytesIn += result.value.byteLength
          return result
        },
        return: () => iterator.return?.() ?? Promise.resolve({ done: true as const, value: undefined }),
      }
    },
  }
}

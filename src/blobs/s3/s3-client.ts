import type { Dispatcher } from 'undici'
import { Http1Agent } from '../../http1-agent.ts'
import { CredentialKeeper } from './credentials/credential-keeper.ts'
import type { CredentialSource, S3Credentials } from './credentials/credentials.ts'
import type { AnswerBody } from './answer-body.ts'
import { ObjectConnections } from './object-connections.ts'
import { addressOf, type S3Location } from './s3-location.ts'
import { isStaleCredentials, S3Fault, S3Unreachable, type ResponseHeaders } from './s3-fault.ts'
import { Retries } from './retries.ts'
import { presignedQuery, queryString, signedHeaders, type SigningScope } from './signature.ts'

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** The object's key with its prefix: letters, digits and `.-_/`. Undefined: the bucket itself. */
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export interface S3Response {
  readonly status: number
  readonly headers: ResponseHeaders
}

interface Signed {
  /** Path and query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
}

interface Answer<Body> extends S3Response {
  readonly body: Body
}

type Send<Body> = (signed: Signed) => Promise<Answer<Body>>

/** Milliseconds. */
const connectLimit = 5000
const silenceLimit = 30_000
/** Bytes of an error document that are read. */
const largestError = 64 * 1024
/** Connections of one thread: for objects that are read, and as many for all else. */
const connections = 128

/**
 * Sends signed requests to one bucket, and repeats those that fail for a passing reason. Rejects with S3Fault or
 * S3Unreachable, or with the reason of the signal.
 */
export class S3Client {
  readonly location: S3Location
  readonly retries: Retries
  readonly credentials: CredentialKeeper
  readonly #agent: Http1Agent
  readonly #connections: ObjectConnections
  readonly #address: ReturnType<typeof addressOf>
  /** Milliseconds by which the server's clock is ahead, as its last refusal said. */
  #skew = 0

  constructor(location: S3Location, source: CredentialSource, retries = new Retries()) {
    this.location = location
    this.retries = retries
    this.#agent = new Http1Agent({
      connections,
      headersTimeout: silenceLimit,
      bodyTimeout: silenceLimit,
      connect: { timeout: connectLimit },
    })
    this.credentials = new CredentialKeeper(source, this.#agent)
    this.#address = addressOf(location)
    this.#connections = new ObjectConnections(this.#address.origin, connections)
  }

  /** Returns the answer with its whole body, which must be small. */
  async send(request: S3Request, signal?: AbortSignal): Promise<S3Response & { readonly text: string }> {
    return this.retries.run(() => this.sendOnce(request, signal), signal)
  }

  /** As `send`, but a failure is not repeated, for callers who must look first. */
  async sendOnce(request: S3Request, signal?: AbortSignal): Promise<S3Response & { readonly text: string }> {
    const { status, headers, body } = await this.#ask(
      request,
      (signed) => this.#exchange(request, signed, signal),
      signal,
    )
    try {
      return { status, headers, text: await body.text() }
    } catch (error) {
      throw signal?.aborted === true ? error : new S3Unreachable(error)
    }
  }

  /** GETs, and returns the answer with its body as it comes. The caller reads it or destroys it. */
  async open(
    request: S3Request & { readonly method: 'GET' },
    signal?: AbortSignal,
  ): Promise<S3Response & { readonly body: AnswerBody }> {
    const get = ({ target, headers }: Signed): Promise<Answer<AnswerBody>> =>
      this.#connections.get(target, headers, signal)
    return this.retries.run(() => this.#ask(request, get, signal), signal)
  }

  /** A URL with which anybody can GET the object for `seconds`. */
  async presign(key: string, seconds: number): Promise<string> {
    const { host, origin, path } = this.#address
    const request = { method: 'GET', host, path: `${path}/${key}`, query: {} }
    const query = presignedQuery(request, this.#scope(await this.credentials.current()), seconds)
    return `${origin}${request.path}?${query}`
  }

  async close(): Promise<void> {
    this.#connections.close()
    await this.#agent.destroy()
  }

  /** Signs the request and has it sent. */
  async #ask<Body extends AsyncIterable<Uint8Array>>(
    request: S3Request,
    send: Send<Body>,
    signal: AbortSignal | undefined,
  ): Promise<Answer<Body>> {
    const credentials = await this.credentials.current()
    try {
      return await this.#askWith(credentials, request, send, signal)
    } catch (error) {
      if (!(await this.#canSignAnew(error, credentials))) throw error
      return this.#askWith(await this.credentials.current(), request, send, signal)
    }
  }

  /** Whether the same request may succeed with another signature: by the server's clock, or with newer credentials. */
  async #canSignAnew(error: unknown, credentials: S3Credentials): Promise<boolean> {
    if (error instanceof S3Fault && error.code === 'RequestTimeTooSkewed' && error.serverTime !== undefined) {
      this.#skew = error.serverTime - Date.now()
      return true
    }
    return isStaleCredentials(error) && (await this.credentials.replace(credentials))
  }

  async #askWith<Body extends AsyncIterable<Uint8Array>>(
    credentials: S3Credentials,
    { method, key, query = {}, headers = {} }: S3Request,
    send: Send<Body>,
    signal: AbortSignal | undefined,
  ): Promise<Answer<Body>> {
    const { host, path: base } = this.#address
    const path = key === undefined ? base || '/' : `${base}/${key}`
    const text = queryString(query)
    const signed = signedHeaders({ method, host, path, query, headers }, this.#scope(credentials))
    let answer: Answer<Body>
    try {
      answer = await send({ target: text === '' ? path : `${path}?${text}`, headers: signed })
    } catch (error) {
      throw signal?.aborted === true ? error : new S3Unreachable(error)
    }
    if (answer.status < 300) return answer
    throw new S3Fault(answer.status, answer.headers, await start(answer.body))
  }

  async #exchange(
    { method, body }: S3Request,
    { target, headers }: Signed,
    signal: AbortSignal | undefined,
  ): Promise<Answer<Dispatcher.ResponseData['body']>> {
    const isEmpty = body === undefined && (method === 'PUT' || method === 'POST')
    const response = await this.#agent.request({
      origin: this.#address.origin,
      path: target,
      method,
      headers: isEmpty ? { ...headers, 'content-length': '0' } : headers,
      body: body ?? null,
      signal: signal ?? null,
    })
    return { status: response.statusCode, headers: response.headers, body: response.body }
  }

  #scope(credentials: S3Credentials): SigningScope {
    return { credentials, region: this.location.region, service: 's3', now: Date.now() + this.#skew }
  }
}

/**
 * The beginning of an error document. The rest is not read: its connection is closed. The lengths between chunks of one may
 * be in it, which do no harm.
 */
async function start(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      // Copied, because the chunk is valid only until the next one is asked for.
      chunks.push(Buffer.from(chunk))
      size += chunk.length
      if (size > largestError) break
    }
  } catch {
    // The status is known, and says enough.
  }
  return Buffer.concat(chunks).toString('utf8', 0, largestError)
}

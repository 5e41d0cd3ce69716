import type { Readable } from 'node:stream'
import { Http1Agent } from '../../http1-agent.ts'
import { CredentialKeeper } from './credentials/credential-keeper.ts'
import type { CredentialSource, S3Credentials } from './credentials/credentials.ts'
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

/** Milliseconds. */
const connectLimit = 5000
const silenceLimit = 30_000
/**
 * Bytes of an answer that are read while its consumer is busy, and then given to it as one chunk: a consumer that waits for
 * each chunk to be sent would otherwise hold S3 back.
 */
const readAhead = 512 * 1024
/** Bytes of an error document that are read. */
const largestError = 64 * 1024
/** Connections of one thread. */
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
  }

  /** Returns the answer with its whole body, which must be small. */
  async send(request: S3Request, signal?: AbortSignal): Promise<S3Response & { readonly text: string }> {
    return this.retries.run(() => this.sendOnce(request, signal), signal)
  }

  /** As `send`, but a failure is not repeated, for callers who must look first. */
  async sendOnce(request: S3Request, signal?: AbortSignal): Promise<S3Response & { readonly text: string }> {
    const { status, headers, body } = await this.#ask(request, signal)
    try {
      return { status, headers, text: await body.text() }
    } catch (error) {
      throw signal?.aborted === true ? error : new S3Unreachable(error)
    }
  }

  /** Returns the answer with its body as it comes. The caller reads it or destroys it. */
  async open(request: S3Request, signal?: AbortSignal): Promise<S3Response & { readonly body: Readable }> {
    return this.retries.run(() => this.#ask(request, signal), signal)
  }

  /** A URL with which anybody can GET the object for `seconds`. */
  async presign(key: string, seconds: number): Promise<string> {
    const { host, origin, path } = this.#address
    const request = { method: 'GET', host, path: `${path}/${key}`, query: {} }
    const query = presignedQuery(request, this.#scope(await this.credentials.current()), seconds)
    return `${origin}${request.path}?${query}`
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #ask(
    request: S3Request,
    signal: AbortSignal | undefined,
  ): Promise<S3Response & { readonly body: Readable & { text(): Promise<string> } }> {
    const credentials = await this.credentials.current()
    try {
      return await this.#askWith(credentials, request, signal)
    } catch (error) {
      if (!(await this.#canSignAnew(error, credentials))) throw error
      return this.#askWith(await this.credentials.current(), request, signal)
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

  async #askWith(
    credentials: S3Credentials,
    { method, key, query = {}, headers = {}, body }: S3Request,
    signal: AbortSignal | undefined,
  ): Promise<S3Response & { readonly body: Readable & { text(): Promise<string> } }> {
    const { origin, host, path: base } = this.#address
    const path = key === undefined ? base || '/' : `${base}/${key}`
    const text = queryString(query)
    const signed = signedHeaders({ method, host, path, query, headers }, this.#scope(credentials))
    let response
    try {
      response = await this.#agent.request({
        origin,
        path: text === '' ? path : `${path}?${text}`,
        method,
        headers:
          body === undefined && (method === 'PUT' || method === 'POST')
            ? { ...signed, 'content-length': '0' }
            : signed,
        body: body ?? null,
        highWaterMark: readAhead,
        signal: signal ?? null,
      })
    } catch (error) {
      throw signal?.aborted === true ? error : new S3Unreachable(error)
    }
    const { statusCode: status, headers: answered, body: answer } = response
    if (status < 300) return { status, headers: answered, body: answer }
    throw new S3Fault(status, answered, await start(answer))
  }

  #scope(credentials: S3Credentials): SigningScope {
    return { credentials, region: this.location.region, service: 's3', now: Date.now() + this.#skew }
  }
}

/** The beginning of an error document. The rest is not read: its connection is closed. */
async function start(body: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      chunks.push(chunk as Buffer)
      size += (chunk as Buffer).length
      if (size > largestError) break
    }
  } catch {
    // The status is known, and says enough.
  }
  return Buffer.concat(chunks).toString('utf8', 0, largestError)
}

import { createHash } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: Uint8Array | string
  /** Send the body with chunked transfer encoding. */
  readonly chunked?: boolean
}

/** A connection to the registry under test; keeps sockets open as clients do. */
export class Connection {
  readonly #base: URL
  readonly #agent: http.Agent
  readonly #headers: Record<string, string>

  constructor(options: {
    readonly url: string
    readonly ca?: string
    readonly username?: string
    readonly password?: string
  }) {
    this.#base = new URL(options.url)
    this.#agent =
      this.#base.protocol === 'https:'
        ? new https.Agent({ keepAlive: true, ...(options.ca === undefined ? {} : { ca: options.ca }) })
        : new http.Agent({ keepAlive: true })
    const { username, password = '' } = options
    this.#headers =
      username === undefined
        ? {}
        : { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
  }

  /** `target` is a path or an absolute URL (a Location). */
  request(
    method: string,
    target: string,
    { headers = {}, body, chunked = false }: RequestOptions = {},
  ): Promise<Answer> {
    const url = new URL(target, this.#base)
    const bytes = body === undefined ? undefined : Buffer.from(body)
    const withBody = bytes !== undefined || method === 'POST' || method === 'PUT' || method === 'PATCH'
    const length = withBody && !chunked ? { 'content-length': String(bytes?.length ?? 0) } : {}
    const { request } = url.protocol === 'https:' ? https : http
    return new Promise((resolve, reject) => {
      const sent = request(
        url,
        { method, agent: this.#agent, headers: { ...this.#headers, ...length, ...headers } },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', reject)
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks),
            }),
          )
        },
      )
      sent.on('error', reject)
      sent.setTimeout(30_000, () => sent.destroy(new Error('no answer in 30 s')))
      sent.end(bytes)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

export type Algorithm = 'sha256' | 'sha512'

export function digestOf(content: Uint8Array | string, algorithm: Algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`
}

export function withQuery(location: string, query: string): string {
  return `${location}${location.includes('?') ? '&' : '?'}${query}`
}

import http from 'node:http'
import { monotonicNow } from './crash-time.ts'

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  /** Time at which the whole reply had arrived, as in CrashTime. */
  readonly at: number
}

/** Thrown when no whole reply came: whether the request took effect is unknown. */
export class Unanswered extends Error {}

export interface Client {
  request(
    method: string,
    path: string,
    options?: { headers?: http.OutgoingHttpHeaders; body?: Uint8Array; chunked?: boolean },
  ): Promise<Answer>
  /** Ignores all later replies: a real machine sends none after a power cut (LoopDevice). */
  deafen(): void
  close(): void
}

export function connectClient(url: string, sockets = 16): Client {
  const { hostname, port } = new URL(url)
  const agent = new http.Agent({ keepAlive: true, maxSockets: sockets })
  let deaf = false
  return {
    close: () => agent.destroy(),
    deafen: () => {
      deaf = true
    },
    request: (method, path, { headers = {}, body, chunked = false } = {}) =>
      new Promise((resolve, reject) => {
        const length = chunked ? {} : { 'content-length': String(body?.byteLength ?? 0) }
        const withBody = body !== undefined || method === 'POST' || method === 'PUT'
        const request = http.request(
          { agent, hostname, port, method, path, headers: withBody ? { ...length, ...headers } : headers },
          (response) => {
            const chunks: Buffer[] = []
            response.on('data', (chunk: Buffer) => chunks.push(chunk))
            response.on('end', () => {
              if (deaf || !response.complete) return reject(new Unanswered('cut'))
              resolve({
                status: response.statusCode ?? 0,
                headers: response.headers,
                body: Buffer.concat(chunks),
                at: monotonicNow(),
              })
            })
            response.on('error', () => reject(new Unanswered('cut')))
          },
        )
        request.setTimeout(30_000, () => request.destroy(new Error('timed out')))
        request.on('error', (error) =>
          reject(new Unanswered(`${method} ${path}: ${error.message}`, { cause: error })),
        )
        request.end(body)
      }),
  }
}

import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import { isIP, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** What becomes of one request. */
export type Fault =
  /** Answered by the proxy itself; the request never arrives. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly body: string
      readonly headers?: Readonly<Record<string, string>>
    }
  /** The request arrives and is carried out; its answer is replaced. */
  | { readonly kind: 'replace'; readonly status: number; readonly body: string }
  /** The answer's body is another than the server's. */
  | { readonly kind: 'edit'; readonly change: (body: string) => string }
  /** The answer's body ends after so many bytes, with its connection. */
  | { readonly kind: 'cut'; readonly after: number }
  /** The request arrives, and the connection is closed without an answer. */
  | { readonly kind: 'silence' }
  /** The connection is closed after so many bytes of the request's body. */
  | { readonly kind: 'break'; readonly after: number }
  /** The request arrives with other bytes than were sent, as many. */
  | { readonly kind: 'alter' }
  /** The answer has no such header. */
  | { readonly kind: 'hide'; readonly header: string }
  /** Milliseconds before the answer. */
  | { readonly kind: 'slow'; readonly delay: number }

/** A way to an HTTP server on which requests fail as planned. */
export interface FaultProxy {
  readonly endpoint: string
  /** Method and path of each request, in order. */
  readonly requests: string[]
  /** Decides about each request; `undefined`: nothing happens to it. */
  plan: (request: IncomingMessage) => Fault | undefined
  close(): Promise<void>
}

export function s3Error(code: string, more = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>planned</Message>${more}</Error>`
}

/** `target`: the URL of the server. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { protocol, hostname, port } = new URL(target)
  const { Agent, request } = protocol === 'https:' ? https : http
  const agent = new Agent({ keepAlive: true })
  // Else that of the signed Host header, which is this proxy's.
  const servername = isIP(hostname) === 0 ? hostname : ''
  const server = http.createServer((near, answer) => {
    proxy.requests.push(`${near.method} ${near.url}`)
    const fault = proxy.plan(near)
    if (fault?.kind === 'answer') {
      near.resume()
      near.once('end', () => answer.writeHead(fault.status, fault.headers).end(fault.body))
      return
    }
    const { method, url: path, headers } = near
    // The host is signed, so it stays that of the proxy's caller.
    const options = { hostname, servername, port, agent, method, path, headers }
    const far = request(options, (reply) => pass(reply, answer, fault))
    far.once('error', () => answer.destroy())
    // Who has gone in the middle of a request leaves no request behind.
    near.once('close', () => {
      if (!near.complete) far.destroy()
    })
    if (fault?.kind === 'break') breakOff(near, fault.after)
    if (fault?.kind === 'alter') near.on('data', (chunk: Buffer) => (chunk[0] = ~(chunk[0] ?? 0)))
    near.pipe(far)
  })
  const proxy: FaultProxy = {
    endpoint: '',
    requests: [],
    plan: () => undefined,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      agent.destroy()
      await closed
    },
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  return Object.assign(proxy, { endpoint: `http://127.0.0.1:${address.port}` })
}

function breakOff(request: IncomingMessage, after: number): void {
  let left = after
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left <= 0) request.destroy()
  })
}

function pass(reply: IncomingMessage, answer: ServerResponse, fault: Fault | undefined): void {
  if (fault?.kind === 'silence' || fault?.kind === 'replace') {
    reply.resume()
    reply.once('end', () => {
      if (fault.kind === 'silence') answer.destroy()
      else answer.writeHead(fault.status).end(fault.body)
    })
    return
  }
  if (fault?.kind === 'edit') {
    void text(reply).then((body) => {
      const { 'content-length': _, 'transfer-encoding': __, ...headers } = reply.headers
      answer.writeHead(reply.statusCode ?? 500, headers).end(fault.change(body))
    })
    return
  }
  if (fault?.kind === 'hide') delete reply.headers[fault.header]
  const begin = (): void => {
    answer.writeHead(reply.statusCode ?? 500, reply.headers)
    if (fault?.kind !== 'cut') {
      reply.pipe(answer)
      return
    }
    let left = fault.after
    reply.on('data', (chunk: Buffer) => {
      if (left <= 0) return
      answer.write(chunk.subarray(0, left))
      left -= chunk.length
      if (left <= 0) setImmediate(() => answer.destroy())
    })
    reply.once('end', () => answer.end())
  }
  if (fault?.kind === 'slow') setTimeout(begin, fault.delay)
  else begin()
}

import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that has gone through a proxy. */
export interface CountedRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  /** Bytes of its body so far. */
  bytes: number
  /** Undefined: it was not answered, or not yet. */
  status: number | undefined
}

/** A way to a registry of this machine on which each request is counted. */
export interface CountingProxy {
  readonly host: string
  readonly requests: readonly CountedRequest[]
  close(): Promise<void>
}

/** `seen` is called with each piece of a body before the piece goes on. */
export async function startCountingProxy(
  target: string,
  seen: (request: CountedRequest) => void,
): Promise<CountingProxy> {
  const requests: CountedRequest[] = []
  const server = createServer((near, answer) => {
    const counted: CountedRequest = {
      method: near.method ?? '',
      path: near.url ?? '',
      bytes: 0,
      status: undefined,
    }
    requests.push(counted)
    pass(near, answer, { target, counted, seen })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function pass(
  near: IncomingMessage,
  answer: ServerResponse,
  {
    target,
    counted,
    seen,
  }: {
    readonly target: string
    readonly counted: CountedRequest
    readonly seen: (request: CountedRequest) => void
  },
): void {
  const { method, headers } = near
  const far = request(new URL(counted.path, target), { method, headers, agent: false })
  const cut = (): void => {
    far.destroy()
    answer.destroy()
  }
  near.on('data', (chunk: Buffer) => {
    counted.bytes += chunk.length
    seen(counted)
  })
  near.once('aborted', cut).once('error', cut)
  far.once('error', cut)
  far.once('response', (reply) => {
    counted.status = reply.statusCode
    answer.writeHead(reply.statusCode ?? 502, reply.headers)
    reply.once('error', cut)
    reply.pipe(answer)
  })
  near.pipe(far)
}

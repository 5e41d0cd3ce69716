import { createServer } from 'node:http'
import { parseEndpoint } from './watch-options.ts'

export interface WatchedAgent {
  readonly alive: boolean
  readonly ready: boolean
}

/**
 * Serves `/livez` (the agent's loop runs) and `/readyz` (the newest settings are in effect) over plain HTTP
 * on the node's loopback, where the kubelet asks for a pod in the host's network. `fault` is why it cannot
 * listen, or `undefined`.
 */
export async function serveHealth(
  address: string,
  agent: WatchedAgent,
): Promise<{ readonly fault: string | undefined; close(): void }> {
  const { host, port } = parseEndpoint(address)
  const server = createServer((request, response) => {
    const asked = { '/livez': agent.alive, '/readyz': agent.ready }[request.url ?? '']
    const [status, text] =
      asked === undefined ? [404, 'no such check'] : asked ? [200, 'ok'] : [503, 'not yet']
    response.writeHead(status, { 'Content-Type': 'text/plain', Connection: 'close' }).end(`${text}\n`)
  })
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  server.once('error', ({ code, message }: NodeJS.ErrnoException) => resolve(code ?? message))
  server.listen({ host, port }, () => resolve(undefined))
  const fault = await promise
  server.unref()
  return {
    fault,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

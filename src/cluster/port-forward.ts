import { text } from 'node:stream/consumers'
import type { ClusterConnection, SocketSetup } from './cluster-connection.ts'
import { ClusterFault, faultOf } from './cluster-fault.ts'
import { ForwardStream } from './forward-stream.ts'

export interface PodPort {
  readonly namespace: string
  readonly pod: string
  readonly port: number
}

/**
 * Opens a TCP connection to a pod's port through the API server (`pods/portforward`; a WebSocket needs the verb `get`
 * and, from Kubernetes 1.35 on, `create`). Rejects with ClusterFault. If nothing listens on the port, the stream fails.
 */
export async function forwardPort(
  connection: ClusterConnection,
  { namespace, pod, port }: PodPort,
  signal?: AbortSignal,
): Promise<ForwardStream> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/portforward?ports=${port}`
  return connection.socket(path, async (setup, limit) => open(setup, connection.server, limit), signal)
}

async function open(
  { url, headers, agent }: SocketSetup,
  server: string,
  signal: AbortSignal,
): Promise<ForwardStream> {
  const { WebSocket } = await import('ws')
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, ['v4.channel.k8s.io'], {
      headers: headers as Record<string, string>,
      agent,
      perMessageDeflate: false,
      followRedirects: false,
    })
    const expire = (): void => {
      socket.terminate()
      reject(new ClusterFault('unreachable', `no answer from ${server}: it took too long`))
    }
    signal.addEventListener('abort', expire, { once: true })
    // The stream is made at once: the first message must not be missed.
    socket.once('open', () => {
      signal.removeEventListener('abort', expire)
      socket.off('error', fail)
      resolve(new ForwardStream(socket))
    })
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', expire)
      reject(error)
    }
    socket.once('error', fail)
    socket.once('unexpected-response', (request, response) => {
      const { statusCode: status = 500, headers: told } = response
      void text(response)
        .catch(() => '')
        .then((body) => {
          fail(faultOf({ status, headers: told as Record<string, string>, body }, server))
          request.destroy()
        })
    })
  })
}

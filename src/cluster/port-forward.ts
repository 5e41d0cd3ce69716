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
 * A TCP connection to a port of a pod through the API server (`pods/portforward`; a WebSocket asks for the verbs `get` and,
 * from Kubernetes 1.35 on, `create`). Rejects with ClusterFault; that nothing listens there is an error of the stream.
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
    // Ends of streams are told in order: nothing of the first message may be missed.
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

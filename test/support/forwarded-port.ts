import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'

const protocol = 'v4.channel.k8s.io'
const [data, errors] = [0, 1]

/** Answers a port-forward as an API server does, with a connection to a port of this machine. */
export function forwardPort(
  request: IncomingMessage,
  { socket, head, to }: { readonly socket: Duplex; readonly head: Buffer; readonly to: number },
): void {
  const upgrades = new WebSocketServer({ noServer: true, handleProtocols: () => protocol })
  upgrades.handleUpgrade(request, socket, head, (forward) => {
    const pod = connect(to, '127.0.0.1')
    // The first message of each channel has the port.
    for (const channel of [data, errors]) forward.send(Buffer.from([channel, to & 0xff, to >> 8]))
    pod.on('data', (chunk: Buffer) => forward.send(Buffer.concat([Buffer.from([data]), chunk])))
    pod.on('close', () => forward.close())
    pod.on('error', () => forward.terminate())
    forward.on('message', (message: Buffer) => pod.write(message.subarray(1)))
    forward.on('close', () => pod.destroy())
    forward.on('error', () => pod.destroy())
  })
}

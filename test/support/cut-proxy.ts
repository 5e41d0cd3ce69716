import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A way to a port of this machine that can be cut, as a network is. */
export interface CutProxy {
  readonly port: number
  /** Bytes that have gone through to the port so far. */
  readonly sent: number
  /** Bytes that have come from it. */
  readonly received: number
  /** Ends every connection that is open. */
  cut(): void
  close(): Promise<void>
}

export async function startCutProxy(target: number): Promise<CutProxy> {
  const open = new Set<Socket>()
  const proxy = { port: 0, sent: 0, received: 0, cut, close }
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        open.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (chunk) => (proxy.sent += chunk.length))
    far.on('data', (chunk) => (proxy.received += chunk.length))
    near.pipe(far).pipe(near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy.port = (server.address() as AddressInfo).port
  return proxy

  function cut(): void {
    for (const socket of open) socket.destroy()
  }
  async function close(): Promise<void> {
    const closed = once(server, 'close')
    server.close()
    cut()
    await closed
  }
}

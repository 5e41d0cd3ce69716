import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A way to a port of this machine that can be cut, as a network is, or lead elsewhere, as a load balancer does. */
export interface CutProxy {
  readonly port: number
  /** Bytes that have gone through to the port so far. */
  readonly sent: number
  /** Bytes that have come from it. */
  readonly received: number
  /** Ends every connection that is open. */
  cut(): void
  /** Lets so many further bytes through to the port and then none; resolves when they have gone. */
  holdAfter(bytes: number): Promise<void>
  /** Ends every connection that is open; new ones lead to this port, and nothing is held any more. */
  turnTo(target: number): void
  close(): Promise<void>
}

export async function startCutProxy(first: number): Promise<CutProxy> {
  const open = new Set<Socket>()
  const proxy = { port: 0, sent: 0, received: 0, cut, holdAfter, turnTo, close }
  let target = first
  let hold: { readonly at: number; readonly reached: () => void } | undefined
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
    near.on('data', (chunk) => {
      proxy.sent += chunk.length
      if (hold === undefined || proxy.sent < hold.at) return
      near.unpipe(far)
      near.pause()
      hold.reached()
    })
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
  function holdAfter(bytes: number): Promise<void> {
    return new Promise((reached) => (hold = { at: proxy.sent + bytes, reached }))
  }
  function turnTo(port: number): void {
    target = port
    hold = undefined
    cut()
  }
  async function close(): Promise<void> {
    const closed = once(server, 'close')
    server.close()
    cut()
    await closed
  }
}

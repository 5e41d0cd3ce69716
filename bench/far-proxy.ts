import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A way to a port of this machine that is as slow as a network. */
export interface FarProxy {
  readonly port: number
  close(): void
}

/** `delay`: milliseconds that bytes take in either direction, at least. There is no limit on how many are on their way. */
export async function startFarProxy(target: number, delay: number): Promise<FarProxy> {
  const open = new Set<Socket>()
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true })
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(from)
      from.on('error', () => undefined)
      // Timers of one length fire in the order in which they were set.
      from.on('data', (bytes) => setTimeout(() => to.write(bytes), delay))
      from.once('close', () => {
        open.delete(from)
        setTimeout(() => to.destroy(), delay)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}

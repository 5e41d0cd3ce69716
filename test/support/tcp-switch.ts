import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A port of this machine that leads to another one, which may change: the address of whoever is the primary. */
export interface TcpSwitch {
  readonly port: number
  /** Where connections lead from now on, at 127.0.0.1; undefined: they are closed. Ends those that are open. */
  lead(to: number | undefined): void
  /** Ends every connection that is open. */
  cut(): void
  /** Keeps back what comes from the far side, by so many milliseconds for each piece; 0: no more. */
  delay: number
  close(): Promise<void>
}

export async function startTcpSwitch(to: number | undefined): Promise<TcpSwitch> {
  const open = new Set<Socket>()
  let target = to
  const server = createServer((near) => {
    if (target === undefined) {
      near.destroy()
      return
    }
    const far = connect(target, '127.0.0.1')
    for (const socket of [near, far]) {
      open.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        open.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.pipe(far)
    far.on('data', (chunk: Buffer) => {
      const pass = (): void => {
        if (!near.destroyed) near.write(chunk)
      }
      if (way.delay > 0) setTimeout(pass, way.delay)
      else pass()
    })
  })
  const cut = (): void => {
    for (const socket of open) socket.destroy()
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const way: TcpSwitch = {
    port: (server.address() as AddressInfo).port,
    delay: 0,
    cut,
    lead(next) {
      target = next
      cut()
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      cut()
      await closed
    },
  }
  return way
}

import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import { cannotListen } from '../../serve/cannot-listen.ts'

export interface LocalListenerOptions {
  readonly address: string
  /** 0: any that is free. */
  readonly port: number
  /** Makes the other end of a connection. */
  readonly dial: () => Promise<Duplex>
  /** One line for the person at the terminal. */
  readonly say: (line: string) => void
}

export interface LocalListener {
  readonly port: number
  /** Ends the open connections too. */
  close(): Promise<void>
}

/**
 * Hands each connection on, byte for byte, to one that is dialled for it. One that is cut ends; clients take up where it
 * was by a new one. Throws UserError PORT_TAKEN, PORT_NOT_PERMITTED, LISTEN_FAILED.
 */
export async function listenAndForward({
  address,
  port,
  dial,
  say,
}: LocalListenerOptions): Promise<LocalListener> {
  const open = new Set<Socket>()
  // The same fault is told once, not for each connection that meets it.
  let told = ''
  const tell = (line: string): void => {
    if (line !== told) say(line)
    told = line
  }
  const server = createServer({ allowHalfOpen: false }, (near) => {
    open.add(near)
    near.once('close', () => open.delete(near))
    near.on('error', () => near.destroy())
    // Nothing is read before there is somewhere for it to go.
    near.pause()
    dial().then(
      (far) => {
        told = ''
        join(near, far, tell)
      },
      (error: unknown) => {
        tell(`trow: ${reasonOf(error)}`)
        if (error instanceof UserError && error.hint !== undefined) tell(`  ${error.hint}`)
        near.destroy()
      },
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(address, port, error)))
    server.listen({ host: address, port }, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

function join(near: Socket, far: Duplex, tell: (line: string) => void): void {
  if (near.destroyed) return void far.destroy()
  far.on('error', (error) => {
    if (!near.destroyed) tell(`trow: ${error.message}`)
    near.destroy()
  })
  near.once('close', () => far.destroy())
  far.once('close', () => near.destroySoon())
  near.pipe(far).pipe(near)
}

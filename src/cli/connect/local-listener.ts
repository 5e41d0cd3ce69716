import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { reasonOf } from '../../reason-of.ts'
import { UserError } from '../../user-error.ts'
import { cannotListen } from '../../serve/cannot-listen.ts'

export interface LocalListenerOptions {
  readonly address: string
  /** 0 chooses any free port. */
  readonly port: number
  /** Opens the connection to the registry. */
  readonly dial: () => Promise<Duplex>
  /** Prints one line for the user. */
  readonly say: (line: string) => void
}

export interface LocalListener {
  readonly port: number
  /** Also ends the open connections. */
  close(): Promise<void>
}

/**
 * Forwards each connection byte for byte to a new one from `dial`. A connection that is cut ends; clients
 * open a new one and continue. Throws UserError PORT_TAKEN, PORT_NOT_PERMITTED, LISTEN_FAILED.
 */
export async function listenAndForward({
  address,
  port,
  dial,
  say,
}: LocalListenerOptions): Promise<LocalListener> {
  const open = new Set<Socket>()
  // The same fault is printed once, not for each connection.
  let told = ''
  const tell = (line: string): void => {
    if (line !== told) say(line)
    told = line
  }
  const server = createServer({ allowHalfOpen: false }, (near) => {
    open.add(near)
    near.once('close', () => open.delete(near))
    near.on('error', () => near.destroy())
    // Nothing is read before the other connection is open.
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

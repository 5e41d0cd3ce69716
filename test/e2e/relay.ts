import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'

/** A TCP address, or a Unix socket, which can be reached from every network namespace. */
export type Endpoint = { readonly host: string; readonly port: number } | { readonly path: string }

export interface Relay {
  readonly port: number
  close(): Promise<void>
}

/** Relays every connection to `from` to `to`. */
export async function listenAndDial(from: Endpoint, to: Endpoint): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ ...to, allowHalfOpen: true })
    join(near, far)
    join(far, near)
  })
  server.listen(from)
  await once(server, 'listening')
  return server
}

/** Opens a port on this machine's loopback for an address of the network namespace. */
export async function relayOut(
  namespace: string,
  socket: string,
  to: { readonly host: string; readonly port: number },
): Promise<Relay> {
  const inside = await startInside(namespace, { path: socket }, to)
  const server = await listenAndDial({ host: '127.0.0.1', port: 0 }, { path: socket })
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close()
      await inside.close()
    },
  }
}

/** Opens an address in the network namespace for a port of this machine's loopback. */
export async function relayIn(
  namespace: string,
  socket: string,
  from: { readonly host: string; readonly port: number },
  port: number,
): Promise<Relay> {
  const server = await listenAndDial({ path: socket }, { host: '127.0.0.1', port })
  const inside = await startInside(namespace, from, { path: socket })
  return {
    port: inside.port,
    close: async () => {
      await inside.close()
      server.close()
    },
  }
}

async function startInside(namespace: string, from: Endpoint, to: Endpoint): Promise<Relay> {
  const end = fileURLToPath(new URL('relay-end.ts', import.meta.url))
  const child = spawn(
    'nsenter',
    [`--net=${namespace}`, process.execPath, end, JSON.stringify(from), JSON.stringify(to)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const closed = once(child, 'close')
  const [text] = (await Promise.race([once(child.stdout, 'data'), closed])) as [Buffer | number | null]
  if (!Buffer.isBuffer(text)) throw new Error(`the relay inside of ${namespace} ended with ${text}`)
  return {
    port: Number(text.toString()),
    close: async () => {
      child.stdin.end()
      await closed
    },
  }
}

function join(source: Socket, target: Socket): void {
  source.pipe(target)
  source.on('error', () => target.destroy())
  source.on('close', () => target.destroySoon())
}

import { lookup } from 'node:dns/promises'
import { createServer, type AddressInfo, type ListenOptions, type Server } from 'node:net'
import { markPort, type PortMark } from './port-mark.ts'
import { cannotListen } from './cannot-listen.ts'

/**
 * Reserves a port against other trow processes of this user, whether or not a worker listens on it at the
 * moment.
 */
export interface PortClaim {
  readonly port: number
  release(): Promise<void>
}

/** A port that is claimed already is rare, and so many in a row do not occur. */
const attempts = 100

/**
 * Checks that the address is free, resolves port 0 to a port, and keeps other servers away from it. With
 * `shared`, workers share the port afterwards (reusePort, Linux); the kernel would then give a second server
 * of the same user half of the connections, without an error in either. The exclusive bind here detects
 * servers that already listen. The mark detects those that do not listen at this moment: before their start,
 * or while a worker is being replaced. Throws UserError PORT_TAKEN, PORT_NOT_PERMITTED or LISTEN_FAILED.
 */
export async function claimPort(
  host: string,
  port: number,
  { shared }: { readonly shared: boolean },
): Promise<PortClaim> {
  try {
    const { address } = await lookup(host)
    if (!shared) return claimOf(await freePort(address, port), undefined)
    return port === 0 ? await claimAny(address) : await claimNamed(address, port)
  } catch (error) {
    throw cannotListen(host, port, error)
  }
}

/**
 * The mark comes first: a probe of a port that another server has marked could make that server's workers
 * fail.
 */
async function claimNamed(address: string, port: number): Promise<PortClaim> {
  const mark = await markPort(address, port)
  if (mark === 'taken') throw taken()
  try {
    return claimOf(await freePort(address, port), mark)
  } catch (error) {
    await mark?.release()
    throw error
  }
}

/** The kernel may assign a port again as soon as no socket is bound to it, even if the port is marked. */
async function claimAny(address: string): Promise<PortClaim> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = await freePort(address, 0)
    const mark = await markPort(address, port)
    if (mark !== 'taken') return claimOf(port, mark)
  }
  throw taken()
}

function taken(): Error {
  return Object.assign(new Error('the port is claimed'), { code: 'EADDRINUSE' })
}

function claimOf(port: number, mark: PortMark | undefined): PortClaim {
  return { port, release: async () => mark?.release() }
}

async function freePort(host: string, port: number): Promise<number> {
  const probe = createServer()
  try {
    await listen(probe, { host, port, exclusive: true })
    return (probe.address() as AddressInfo).port
  } finally {
    await close(probe)
  }
}

function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options, resolve)
  })
}

async function close(server: Server): Promise<void> {
  if (server.listening) await new Promise((resolve) => server.close(resolve))
}

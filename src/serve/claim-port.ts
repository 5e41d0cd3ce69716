import { lookup } from 'node:dns/promises'
import { createServer, type AddressInfo, type ListenOptions, type Server } from 'node:net'
import { markPort, type PortMark } from './port-mark.ts'
import { cannotListen } from './cannot-listen.ts'

/** A port that no other trow of this user gets until it is released, whether anybody listens there yet or not. */
export interface PortClaim {
  readonly port: number
  release(): Promise<void>
}

/** One of thousands of ports is hardly ever claimed, let alone so many in a row. */
const attempts = 100

/**
 * Sees that the address is free, finds out which port 0 stands for, and keeps other servers away from it. `shared`:
 * workers share the port afterwards (reusePort, Linux); then the kernel would give any second server of the same user
 * half of the connections, with no error to either. Its exclusive bind here finds those that listen already; the mark
 * those that do not yet, or not at this instant because their worker is being replaced. Throws UserError PORT_TAKEN,
 * PORT_NOT_PERMITTED or LISTEN_FAILED.
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

/** Marked first: a look at a port that another server has marked could make its workers fail. */
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

/** The system gives out a port again as soon as nobody is bound to it, also one that is marked. */
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

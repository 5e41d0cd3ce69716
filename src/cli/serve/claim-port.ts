import { lookup } from 'node:dns/promises'
import { createServer, type AddressInfo, type ListenOptions, type Server } from 'node:net'
import { cannotListen } from './worker-group.ts'

/** A port that no other trow gets until it is released, whether anybody listens there yet or not. */
export interface PortClaim {
  readonly port: number
  release(): Promise<void>
}

/** One of thousands of ports is hardly ever claimed, let alone so many in a row. */
const attempts = 100

/**
 * Sees that the address is free, finds out which port 0 stands for, and keeps other servers away from it. `shared`:
 * workers share the port afterwards (reusePort, Linux); then the kernel would give any second server of the same user
 * half of the connections, with no error to either. Its exclusive bind here finds those that listen already; the claim
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
    const { code = 'UNKNOWN', message } = error as NodeJS.ErrnoException
    throw cannotListen(host, port, { code, message })
  }
}

/** Claimed first: a look at a port that another server has claimed could make its workers fail. */
async function claimNamed(address: string, port: number): Promise<PortClaim> {
  const mark = await setMark(address, port)
  if (mark === 'taken') throw taken()
  try {
    return claimOf(await freePort(address, port), mark)
  } catch (error) {
    await close(mark)
    throw error
  }
}

/** The system gives out a port again as soon as nobody is bound to it, also one that is claimed. */
async function claimAny(address: string): Promise<PortClaim> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = await freePort(address, 0)
    const mark = await setMark(address, port)
    if (mark !== 'taken') return claimOf(port, mark)
  }
  throw taken()
}

function taken(): Error {
  return Object.assign(new Error('the port is claimed'), { code: 'EADDRINUSE' })
}

function claimOf(port: number, mark: Server | undefined): PortClaim {
  return { port, release: () => close(mark) }
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

/**
 * A Unix socket in the abstract namespace (unix(7)): it belongs to the network namespace, as ports do, and goes with
 * its process, whatever ends that. Undefined where a sandbox forbids it.
 */
async function setMark(address: string, port: number): Promise<Server | 'taken' | undefined> {
  const mark = createServer((socket) => socket.destroy())
  try {
    await listen(mark, { path: `\0trow-listens-${address}-${port}`, exclusive: true })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'taken' : undefined
  }
  return mark.unref()
}

function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options, resolve)
  })
}

async function close(server: Server | undefined): Promise<void> {
  if (server?.listening === true) await new Promise((resolve) => server.close(resolve))
}

import { hostPort } from '../../host-port.ts'
import type { PortAddress } from '../../serve/port-mark.ts'
import { runningServers } from '../../serve/running-servers.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { parseAddress, type RegistryAddress } from './address.ts'

/** Where `trow serve` listens unless it is told otherwise. */
const usualHost = '127.0.0.1:8000'

/**
 * Returns the server that runs here: the one of this user or of root, else whatever is at the usual address, which may
 * be another user's or in a container. Throws UserError REGISTRY_AMBIGUOUS if there are several.
 */
export function localServer(): RegistryAddress {
  const [host = usualHost, ...others] = runningServers().map(connectHost)
  if (others.length === 0) return parseAddress(host, 'here')
  throw new UserError(
    'REGISTRY_AMBIGUOUS',
    `no registry is named, and several run here: ${[host, ...others].join(', ')}`,
    { hint: `Name one of them: --registry ${host}, or TROW_REGISTRY.`, exitCode: exitCode.usage },
  )
}

/** `HOST:PORT` for a client on this machine. */
function connectHost({ address, port }: PortAddress): string {
  // A server on all addresses has loopback in its own certificate, whatever else it has.
  const host = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address
  return hostPort(host, port)
}

import type { RegistryClient } from '../../upstream/registry-client.ts'
import type { RegistryPusher } from '../../upstream/registry-pusher.ts'
import { UpstreamFault } from '../../upstream/upstream-fault.ts'
import type { Terminal } from '../streams.ts'
import type { RegistryOptions } from './connect-options.ts'
import { findWay, type FoundWay } from './find-way.ts'
import type { NamedTarget } from './named-target.ts'
import type { RegistryWay } from './registry-way.ts'
import { explainUpstream } from './upstream-errors.ts'

/**
 * Runs a command's work on the registry that `findWay` finds, converts its faults to UserErrors, and closes
 * the connection.
 */
export async function withRegistry<Result>(
  named: NamedTarget,
  options: RegistryOptions,
  terminal: Terminal,
  work: (client: RegistryClient, found: FoundWay) => Promise<Result>,
): Promise<Result> {
  const found = await findWay(named, options, terminal)
  try {
    return await withClient(found.way, terminal, (client) => work(client, found))
  } finally {
    await found.close()
  }
}

/** Runs reads of a registry, converts faults to UserErrors, and closes the connection. */
export async function withClient<Result>(
  way: RegistryWay,
  terminal: Pick<Terminal, 'stderr'>,
  work: (client: RegistryClient) => Promise<Result>,
): Promise<Result> {
  // Loaded here, not with every command, so that `trow serve` starts fast.
  const { connectRegistry } = await import('../../upstream/http-registry-client.ts')
  return closing(connectRegistry(patient(way, terminal)), way, work)
}

/** Runs pushes to a registry, converts faults to UserErrors, and closes the connection. */
export async function withPusher<Result>(
  way: RegistryWay,
  terminal: Pick<Terminal, 'stderr'>,
  work: (pusher: RegistryPusher) => Promise<Result>,
): Promise<Result> {
  const { connectPusher } = await import('../../upstream/http-registry-pusher.ts')
  return closing(connectPusher(patient(way, terminal)), way, work)
}

async function closing<Connection extends { close(): Promise<void> }, Result>(
  connection: Connection,
  way: RegistryWay,
  work: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  try {
    return await work(connection)
  } catch (error) {
    // A command with two registries has the other one explain its own faults.
    const isOther =
      error instanceof UpstreamFault && error.origin !== undefined && error.origin !== way.origin
    throw isOther ? error : explainUpstream(error, way)
  } finally {
    await connection.close()
  }
}

/** Waits as long as the registry asks with a 429, and says so. */
function patient(way: RegistryWay, { stderr }: Pick<Terminal, 'stderr'>): RegistryWay {
  return {
    ...way,
    onWait: (seconds) => void stderr.write(`${way.origin} asks to wait: going on in ${seconds} s\n`),
  }
}

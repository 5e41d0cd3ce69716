import type { RegistryClient } from '../../upstream/registry-client.ts'
import type { RegistryPusher } from '../../upstream/registry-pusher.ts'
import type { Terminal } from '../streams.ts'
import { findWay } from '../way/find-way.ts'
import { withClient, withPusher } from '../way/with-way.ts'
import type { CopyPlaces } from './copy-places.ts'

/** The connections of a copy. */
export interface BothWays {
  /** Of the source. */
  readonly reader: RegistryClient
  /** Of the target. */
  readonly client: RegistryClient
  readonly pusher: RegistryPusher
  /** The target's host in image references. */
  readonly targetHost: string
  close(): Promise<void>
}

/** Runs a copy with both registries, converts faults to UserErrors, and closes the connections. */
export async function withBothWays<Result>(
  { source, target, isOneRegistry }: CopyPlaces,
  terminal: Terminal,
  work: (ways: BothWays) => Promise<Result>,
): Promise<Result> {
  const to = await findWay(target, target.options, terminal)
  try {
    const from = isOneRegistry ? to : await findWay(source, source.options, terminal)
    try {
      return await withClient(to.way, terminal, (client) =>
        withPusher(to.way, terminal, (pusher) =>
          withClient(from.way, terminal, async (reader) => {
            const close = async (): Promise<void> => {
              await Promise.all([reader.close(), client.close(), pusher.close()])
            }
            return work({ reader, client, pusher, targetHost: to.host, close })
          }),
        ),
      )
    } finally {
      if (from !== to) await from.close()
    }
  } finally {
    await to.close()
  }
}

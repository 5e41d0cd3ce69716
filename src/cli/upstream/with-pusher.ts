import type { RegistryPusher } from '../../upstream/registry-pusher.ts'
import type { RegistryWay } from './registry-way.ts'
import { explainUpstream } from './upstream-errors.ts'

/** Pushes to a registry: its faults in words for the person at the terminal, and closed in the end. */
export async function withPusher<Result>(
  way: RegistryWay,
  work: (pusher: RegistryPusher) => Promise<Result>,
): Promise<Result> {
  // Loaded here, not with every command: `trow serve` is to start fast.
  const { connectPusher } = await import('../../upstream/http-registry-pusher.ts')
  const pusher = connectPusher(way)
  try {
    return await work(pusher)
  } catch (error) {
    throw explainUpstream(error, way.deniedHint)
  } finally {
    await pusher.close()
  }
}

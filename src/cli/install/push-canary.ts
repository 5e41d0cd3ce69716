import type { CanaryImage } from '../../install/canary-image.ts'
import type { OpenCluster } from '../cluster/cluster-options.ts'
import type { Terminal } from '../streams.ts'

/** Through the API server, as whoever installs. */
export async function pushCanary(
  _image: CanaryImage,
  _parts: { readonly cluster: OpenCluster; readonly terminal: Terminal; readonly signal: AbortSignal },
): Promise<void> {
  await Promise.reject(new Error('to come'))
}

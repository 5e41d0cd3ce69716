import { withCluster, type ClusterOptions } from '../cluster/cluster-options.ts'
import { publishedRegistry, type PublishedRegistry } from '../cluster/registry-road.ts'
import type { Terminal } from '../streams.ts'

export interface ClusterRegistry extends PublishedRegistry {
  /** The namespace of the kube context. */
  readonly userNamespace: string
}

/**
 * Returns what the cluster publishes about its registry. Throws UserError REGISTRY_NOT_INSTALLED and those of
 * the cluster.
 */
export async function clusterRegistry(options: ClusterOptions, terminal: Terminal): Promise<ClusterRegistry> {
  return withCluster(options, terminal, async (cluster) => ({
    ...(await publishedRegistry(cluster)),
    userNamespace: cluster.context.namespace ?? 'default',
  }))
}

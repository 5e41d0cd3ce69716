import { UserError } from '../../user-error.ts'
import type { IdentityOptions } from '../login/identity-options.ts'
import type { Terminal } from '../streams.ts'
import type { RegistryWay } from '../upstream/registry-way.ts'
import { openCluster, type ClusterOptions, type OpenCluster } from './cluster-options.ts'
import { explainFault } from '../../cluster/cluster-problem.ts'
import { publishedRegistry, registryRoad } from './registry-road.ts'

export interface FoundRegistry {
  readonly registry: RegistryWay
  readonly cluster: OpenCluster
  close(): Promise<void>
}

/**
 * The registry in the cluster of the kube context; undefined: there is no kubeconfig, or no trow in that cluster, and no
 * flag has named either. Throws UserError of the cluster where that cannot be told.
 */
export async function findRegistry(
  options: ClusterOptions & IdentityOptions,
  terminal: Terminal,
): Promise<FoundRegistry | undefined> {
  const { kubeconfig, context, namespace } = options
  const isNamed = (kubeconfig ?? context ?? namespace) !== undefined
  let cluster: OpenCluster | undefined
  try {
    cluster = await openCluster({ requestTimeout: '10s', ...options }, terminal)
    const registry = await registryRoad(cluster, await publishedRegistry(cluster), options, terminal)
    const { objects } = cluster
    return { registry, cluster, close: () => objects.close() }
  } catch (thrown) {
    await cluster?.objects.close()
    const error = cluster === undefined ? thrown : explainFault(thrown, cluster.context)
    if (!(error instanceof UserError)) throw error
    if (!isNamed && nobody.includes(error.code)) return undefined
    throw new UserError(error.code, error.message, {
      hint: `${error.hint === undefined ? '' : `${error.hint} `}HOST:PORT/…, --registry or TROW_REGISTRY names a registry that needs no cluster.`,
      exitCode: error.exitCode,
      cause: error,
    })
  }
}

const nobody = ['KUBECONFIG_MISSING', 'CONTEXT_UNKNOWN', 'REGISTRY_NOT_INSTALLED']

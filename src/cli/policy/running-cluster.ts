import { installedHost } from '../../cluster/config-data.ts'
import { explainFault } from '../../cluster/cluster-problem.ts'
import { names } from '../../cluster/layout.ts'
import { canonicalHost } from '../../policy/host-name.ts'
import type { Impact } from '../../scan/impact.ts'
import { readRunningGroups } from '../../scan/running-groups.ts'
import { TopOwners } from '../../scan/top-owners.ts'
import { UserError } from '../../user-error.ts'
import { openCluster, type ClusterOptions, type OpenCluster } from '../cluster/cluster-options.ts'
import type { Terminal } from '../streams.ts'

/** The pods of the cluster of the kube context. */
export interface RunningCluster {
  /** Canonical hosts under which its pods name the registry. */
  ownHosts(): Promise<readonly string[]>
  addTo(impact: Impact): Promise<void>
  close(): Promise<void>
}

/** Undefined: there is no kubeconfig, and no flag names one. Throws UserError of the kubeconfig. */
export async function openRunningCluster(
  options: ClusterOptions,
  terminal: Terminal,
  isNamed: boolean,
): Promise<RunningCluster | undefined> {
  try {
    return new PodsOfCluster(await openCluster(options, terminal))
  } catch (error) {
    if (!isNamed && error instanceof UserError && nobody.includes(error.code)) return undefined
    throw error
  }
}

const nobody = ['KUBECONFIG_MISSING', 'CONTEXT_UNKNOWN']

class PodsOfCluster implements RunningCluster {
  readonly #cluster: OpenCluster

  constructor(cluster: OpenCluster) {
    this.#cluster = cluster
  }

  ownHosts(): Promise<readonly string[]> {
    return this.#explaining(async ({ layout: { namespace, imageHost }, objects }) => {
      const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: names.settings, namespace }
      const written = [imageHost, installedHost(await objects.get(reference)) ?? []].flat()
      return written.flatMap((text) => {
        const result = canonicalHost(text)
        return result?.kind === 'host' ? result.host : []
      })
    })
  }

  addTo(impact: Impact): Promise<void> {
    return this.#explaining(async ({ objects }) => {
      const { signal } = new AbortController()
      const owners = new TopOwners(objects, () => performance.now())
      await impact.runs(await readRunningGroups(objects, signal), owners)
    })
  }

  close(): Promise<void> {
    return this.#cluster.objects.close()
  }

  async #explaining<Result>(work: (cluster: OpenCluster) => Promise<Result>): Promise<Result> {
    try {
      return await work(this.#cluster)
    } catch (error) {
      throw explainFault(error, this.#cluster.context)
    }
  }
}

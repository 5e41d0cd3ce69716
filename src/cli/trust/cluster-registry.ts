import { names } from '../../cluster/layout.ts'
import { UserError } from '../../user-error.ts'
import { withCluster, type ClusterOptions } from '../cluster/cluster-options.ts'
import type { Terminal } from '../streams.ts'

export interface ClusterRegistry {
  /** PEM bundle. */
  readonly ca: string
  /** As pods' image references have it. */
  readonly imageHost: string
  /** Of the kube context. */
  readonly userNamespace: string
}

/** What the cluster publishes of its registry. Throws UserError REGISTRY_NOT_INSTALLED and those of `withCluster`. */
export async function clusterRegistry(options: ClusterOptions, terminal: Terminal): Promise<ClusterRegistry> {
  return withCluster(options, terminal, async ({ context, layout, objects }) => {
    const { namespace, imageHost } = layout
    const bundle = await objects.get({ apiVersion: 'v1', kind: 'ConfigMap', name: names.bundle, namespace })
    const ca = (bundle?.['data'] as Readonly<Record<string, string>> | undefined)?.['ca.crt']
    if (ca === undefined) {
      throw new UserError(
        'REGISTRY_NOT_INSTALLED',
        `namespace ${namespace} has no ConfigMap ${names.bundle}`,
        {
          hint: 'trow install puts trow there; --registry HOST:PORT --ca FILE needs no cluster.',
        },
      )
    }
    return { ca, imageHost, userNamespace: context.namespace ?? 'default' }
  })
}

import { ClusterFault } from '../../cluster/cluster-fault.ts'
import { CredentialSource } from '../../cluster/credential-source.ts'
import { loadKubeContext } from '../../cluster/kubeconfig.ts'
import { layoutOf, names } from '../../cluster/layout.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { Terminal } from '../streams.ts'

export interface ClusterWish {
  readonly namespace?: string
  readonly context?: string
  readonly kubeconfig?: string
}

export interface ClusterRegistry {
  /** PEM bundle. */
  readonly ca: string
  /** As pods' image references have it. */
  readonly imageHost: string
  /** Of the kube context. */
  readonly userNamespace: string
}

/** What the cluster publishes of its registry. Throws UserError REGISTRY_NOT_INSTALLED and those of the cluster. */
export async function clusterRegistry(wish: ClusterWish, terminal: Terminal): Promise<ClusterRegistry> {
  const { env, cwd, stdin } = terminal
  const context = loadKubeContext({ env, cwd, context: wish.context, kubeconfig: wish.kubeconfig })
  const credentials = new CredentialSource(context, {
    env,
    interactive: stdin.isTTY === true,
    now: () => Date.now(),
  })
  const { namespace, imageHost } = layoutOf(wish.namespace ?? 'trow')
  // Loaded here: the client library takes half a second.
  const { connectCluster } = await import('../../cluster/cluster-connection.ts')
  const connection = await connectCluster({ context, credentials, timeout: 10_000 })
  try {
    const { data } = await connection.ask(({ core }, options) =>
      core.readNamespacedConfigMap({ name: names.bundle, namespace }, options),
    )
    const ca = data?.['ca.crt']
    if (ca === undefined) throw absent(namespace)
    return { ca, imageHost, userNamespace: context.namespace ?? 'default' }
  } catch (error) {
    throw error instanceof ClusterFault && error.status === 404
      ? absent(namespace)
      : explained(error, namespace)
  } finally {
    await connection.close()
  }
}

function absent(namespace: string): UserError {
  return new UserError('REGISTRY_NOT_INSTALLED', `namespace ${namespace} has no ConfigMap ${names.bundle}`, {
    hint: 'trow install puts trow there; --registry HOST:PORT --ca FILE needs no cluster.',
  })
}

function explained(error: unknown, namespace: string): unknown {
  if (!(error instanceof ClusterFault)) return error
  const { kind, message } = error
  switch (kind) {
    case 'unreachable':
    case 'busy':
      return new UserError('CLUSTER_UNREACHABLE', message, {
        hint: 'kubectl version shows whether it answers; --registry HOST:PORT --ca FILE needs no cluster.',
        exitCode: exitCode.unreachable,
        cause: error,
      })
    case 'unauthorized':
    case 'forbidden':
      return new UserError('CLUSTER_NOT_PERMITTED', message, {
        hint: `Role ${names.clientRole} in namespace ${namespace} lets people read the CA.`,
        exitCode: exitCode.notPermitted,
        cause: error,
      })
    case 'refused':
      return new UserError('CLUSTER_REFUSED', message, { cause: error })
  }
}

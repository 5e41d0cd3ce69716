import type { HeadWitness } from '../../audit/log-head.ts'
import type { Settings } from '../../settings/settings-schema.ts'

export interface OpenWitness {
  readonly witness: HeadWitness
  close(): Promise<void>
}

/**
 * Opens the ConfigMap named by `audit-heads`. It sends no request yet; without the setting it loads no client
 * library. Throws UserError as `loadKubeContext` does.
 */
export async function openWitness(
  settings: Settings,
  deps: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string },
): Promise<OpenWitness | undefined> {
  const { 'audit-heads': place, kubeconfig } = settings
  if (place === undefined) return undefined
  const [namespace = '', name = ''] = place.split('/')
  const [{ loadKubeContext }, { CredentialSource }, { connectCluster }, { ConfigMapHeads }] =
    await Promise.all([
      import('../../cluster/kubeconfig.ts'),
      import('../../cluster/credential-source.ts'),
      import('../../cluster/cluster-connection.ts'),
      import('../../cluster/config-map-heads.ts'),
    ])
  const { env, cwd } = deps
  const context = loadKubeContext({ env, cwd, kubeconfig })
  const credentials = new CredentialSource(context, { env, interactive: false, now: Date.now })
  const connection = await connectCluster({ context, credentials, timeout: 5000, concurrency: 1 })
  return {
    witness: new ConfigMapHeads(connection, { namespace, name }),
    close: () => connection.close(),
  }
}

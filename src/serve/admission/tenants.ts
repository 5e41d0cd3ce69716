import { Reviews } from '../../access/reviews.ts'
import { TenantChecks, type TenantMode, type TenantRights } from '../../admission/tenant-rights.ts'
import { connectCluster } from '../../cluster/cluster-connection.ts'
import { CredentialSource } from '../../cluster/credential-source.ts'
import { loadKubeContext } from '../../cluster/kubeconfig.ts'
import { KubernetesReviews } from '../../cluster/kubernetes-reviews.ts'
import type { Log } from '../../log.ts'
import { isAccessControlled, rulesOf } from '../../settings/access-settings.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { AccountPulls } from './account-pulls.ts'

/** Milliseconds for one review; a pod waits for it. */
const timeout = 2000

/** Undefined: pods are not asked what they may pull, because nobody wants it, or because everybody may pull everything. */
export async function openTenants(
  settings: Settings,
  mode: TenantMode | 'off',
  log: Log,
): Promise<{ readonly rights: TenantRights; close(): Promise<void> } | undefined> {
  if (mode === 'off') return undefined
  if (!isAccessControlled(settings)) {
    log.warn('--tenants has no effect: the registry asks nobody who they are')
    return undefined
  }
  const { env } = process
  const context = loadKubeContext({ env, cwd: process.cwd(), kubeconfig: settings.kubeconfig })
  const credentials = new CredentialSource(context, { env, interactive: false, now: Date.now })
  const connection = await connectCluster({ context, credentials, timeout })
  const reviews = new Reviews({ cluster: new KubernetesReviews(connection), now: Date.now })
  return {
    rights: new TenantChecks(new AccountPulls({ rules: rulesOf(settings), reviews }), mode),
    close: () => connection.close(),
  }
}

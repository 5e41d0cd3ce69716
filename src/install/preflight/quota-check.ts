import type { ClusterObjects } from '../../cluster/cluster-objects.ts'
import { parseQuantity } from '../../cluster/quantity.ts'
import { passed, warned, type PreflightCheck } from '../check.ts'
import type { InstallSettings } from '../install-settings.ts'

interface QuotaStatus {
  readonly hard?: Readonly<Record<string, string>>
  readonly used?: Readonly<Record<string, string>>
}

/** Checks whether quotas of other owners in the namespace leave room for one pod and its volume. */
export async function quotaCheck(
  cluster: ClusterObjects,
  settings: InstallSettings,
): Promise<PreflightCheck> {
  const description = 'no quota is in the way'
  const { namespace, storage } = settings
  const quotas = await cluster.list({ apiVersion: 'v1', kind: 'ResourceQuota', namespace })
  const running = await cluster.get({
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    name: 'trow',
    namespace,
  })
  if (running !== undefined) return passed('quota', description)
  const needs: Record<string, string> = {
    pods: '1',
    'requests.cpu': '250m',
    'requests.memory': '256Mi',
    ...(storage.kind === 'ephemeral'
      ? {}
      : { persistentvolumeclaims: '1', 'requests.storage': storage.size }),
  }
  for (const quota of quotas) {
    const { hard = {}, used = {} } = (quota['status'] ?? {}) as QuotaStatus
    for (const [resource, need] of Object.entries(needs)) {
      const limit = hard[resource]
      if (limit === undefined) continue
      const left = parseQuantity(limit) - parseQuantity(used[resource] ?? '0')
      if (left >= parseQuantity(need)) continue
      const words = `ResourceQuota ${quota.metadata.name} leaves too little ${resource}: ${used[resource] ?? 0} of ${limit} used, ${need} needed`
      return warned('quota', description, words)
    }
  }
  return passed('quota', description)
}

import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import { referenceOf } from './apply.ts'
import { pick, readTemplate } from './template.ts'

/** Whether the ConfigMap of KEP-1755 is ours to write: kind and ctlptl have one for a registry of their own. */
export async function ownsDiscovery(cluster: ClusterObjects): Promise<boolean> {
  const there = await cluster.get(referenceOf(pick(readTemplate('discovery'), 'ConfigMap')))
  return there === undefined || there.metadata.labels?.['app.kubernetes.io/part-of'] === 'trow'
}

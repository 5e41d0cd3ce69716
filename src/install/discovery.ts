import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import { referenceOf } from './apply.ts'
import { pick, readTemplate } from './template.ts'

/**
 * Returns whether trow may write the ConfigMap of KEP-1755: kind and ctlptl write one for their own registry.
 */
export async function ownsDiscovery(cluster: ClusterObjects): Promise<boolean> {
  const there = await cluster.get(referenceOf(pick(readTemplate('discovery'), 'ConfigMap')))
  return there === undefined || there.metadata.labels?.['app.kubernetes.io/part-of'] === 'trow'
}

import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import { names } from '../cluster/layout.ts'
import { addressesAgain, addressesOf } from './given-addresses.ts'
import { lackedForBinding } from '../cluster/node-binding.ts'
import { failsClosed, webhookReference } from '../cluster/webhook-configuration.ts'
import { hasNodePort, type InstallFacts, type InstallSettings } from './install-settings.ts'
import { isFree, isSuitable, nodeFacts } from '../cluster/node-facts.ts'
import type { Remembered } from './remembered.ts'

/**
 * Collects what the cluster has assigned so far: the addresses of the existing Service, or, if the Service
 * was lost, its former addresses if they are free.
 */
export async function gatherFacts(
  cluster: ClusterObjects,
  settings: InstallSettings,
  known: {
    readonly remembered: Remembered | undefined
    readonly version: string
    readonly image: string
  },
): Promise<InstallFacts> {
  const { namespace } = settings
  const [service, nodes, lacks, webhooks] = await Promise.all([
    cluster.get({ apiVersion: 'v1', kind: 'Service', name: names.service, namespace }),
    hasNodePort(settings) ? cluster.list({ apiVersion: 'v1', kind: 'Node' }) : [],
    settings.trustNodes ? lackedForBinding(cluster) : [],
    settings.admission ? cluster.get(webhookReference) : undefined,
  ])
  const { remembered, version, image } = known
  const given = addressesOf(service)
  const had = { clusterIps: remembered?.clusterIps ?? [], nodePort: remembered?.nodePort }
  const again = service === undefined ? await addressesAgain(cluster, settings, had) : had
  return {
    version,
    image,
    clusterIps: given.clusterIps.length > 0 ? given.clusterIps : again.clusterIps,
    nodePort: given.nodePort ?? again.nodePort,
    nodeAddresses: nodes.flatMap((node) => nodeFacts(node).internalIps).sort(),
    bindsNodes: lacks.length === 0,
    failsClosed: webhooks !== undefined && failsClosed(webhooks),
  }
}

/**
 * Chooses a node for --storage local without one: the first by name on which pods can run. `node` stays
 * `undefined` if there is none.
 */
export async function withLocalNode(
  cluster: ClusterObjects,
  settings: InstallSettings,
): Promise<InstallSettings> {
  const { storage } = settings
  if (storage.kind !== 'local' || storage.node !== undefined) return settings
  const nodes = (await cluster.list({ apiVersion: 'v1', kind: 'Node' })).map(nodeFacts)
  const free = nodes
    .filter((node) => isFree(node, settings.startupTaint) && isSuitable(node))
    .map(({ name }) => name)
  const [node] = free.sort()
  return node === undefined ? settings : { ...settings, storage: { ...storage, node } }
}

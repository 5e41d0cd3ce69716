import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import { names } from '../cluster/layout.ts'
import { addressesAgain, addressesOf } from './given-addresses.ts'
import { lackedForBinding } from '../cluster/node-binding.ts'
import { hasNodePort, type InstallFacts, type InstallSettings } from './install-settings.ts'
import { isFree, isSuitable, nodeFacts } from '../cluster/node-facts.ts'
import type { Remembered } from './remembered.ts'

/** What the cluster has given so far: addresses of a Service that is there, else those it had before it was lost where they are free. */
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
  const [service, nodes, lacks] = await Promise.all([
    cluster.get({ apiVersion: 'v1', kind: 'Service', name: names.service, namespace }),
    hasNodePort(settings) ? cluster.list({ apiVersion: 'v1', kind: 'Node' }) : [],
    settings.trustNodes ? lackedForBinding(cluster) : [],
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
  }
}

/** --storage local without a node: the first by name that is free for pods; undefined node where there is none. */
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

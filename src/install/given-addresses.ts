import { ClusterFault } from '../cluster/cluster-fault.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { names } from '../cluster/layout.ts'
import { hasNodePort, type InstallFacts, type InstallSettings } from './install-settings.ts'

type Addresses = Pick<InstallFacts, 'clusterIps' | 'nodePort'>

/** Reads the addresses of a Service from the API server's object. */
export function addressesOf(service: KubeObject | undefined): Addresses {
  const { clusterIPs = [], ports = [] } = (service?.['spec'] ?? {}) as {
    clusterIPs?: readonly string[]
    ports?: readonly { readonly nodePort?: number }[]
  }
  return { clusterIps: clusterIPs.filter((each) => each !== 'None'), nodePort: ports[0]?.nodePort }
}

/**
 * Returns the addresses that a lost Service had and that the API server would assign again (found by a dry
 * run). Another Service may have them by now, or the cluster may have another range. Addresses that are not
 * available are left out: the Service then gets others, and every node receives them.
 */
export async function addressesAgain(
  cluster: ClusterObjects,
  settings: InstallSettings,
  remembered: Addresses,
): Promise<Addresses> {
  if (remembered.clusterIps.length === 0 && remembered.nodePort === undefined) return remembered
  // A dry run detects an address out of range, but not one that another Service has.
  const others = (await cluster.list({ apiVersion: 'v1', kind: 'Service' })).map(takenBy)
  const had = {
    clusterIps: others.some(({ ips }) => ips.some((ip) => remembered.clusterIps.includes(ip)))
      ? []
      : remembered.clusterIps,
    nodePort: others.some(({ ports }) => ports.some((port) => port === remembered.nodePort))
      ? undefined
      : remembered.nodePort,
  }
  const [clusterIP] = had.clusterIps
  const nodePort = hasNodePort(settings) ? had.nodePort : undefined
  if (clusterIP === undefined && nodePort === undefined) return had
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: names.service, namespace: settings.namespace },
    spec: {
      type: settings.serviceType,
      ipFamilyPolicy: 'PreferDualStack',
      ...(clusterIP === undefined ? {} : { clusterIP, clusterIPs: [...had.clusterIps] }),
      ports: [{ name: 'https', protocol: 'TCP', port: 443, ...(nodePort === undefined ? {} : { nodePort }) }],
    },
  }
  try {
    await cluster.apply(service, { dryRun: true })
    return had
  } catch (error) {
    // Any other error appears again, and is reported, when the Service is applied.
    if (!(error instanceof ClusterFault) || error.status !== 422) return had
    const fields = error.causes.map(({ field = '' }) => field)
    const isKept = (prefix: string): boolean =>
      fields.length > 0 && !fields.some((field) => field.startsWith(prefix))
    return {
      clusterIps: isKept('spec.clusterIP') ? had.clusterIps : [],
      nodePort: isKept('spec.ports') ? had.nodePort : undefined,
    }
  }
}

function takenBy(service: KubeObject): {
  readonly ips: readonly string[]
  readonly ports: readonly (number | undefined)[]
} {
  const {
    clusterIP,
    clusterIPs = [],
    ports = [],
  } = (service['spec'] ?? {}) as {
    clusterIP?: string
    clusterIPs?: readonly string[]
    ports?: readonly { readonly nodePort?: number }[]
  }
  return {
    ips: clusterIP === undefined ? clusterIPs : [clusterIP, ...clusterIPs],
    ports: ports.map(({ nodePort }) => nodePort),
  }
}

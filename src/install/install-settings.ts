import { z } from 'zod'
import { ports } from '../cluster/layout.ts'

const storage = z.discriminatedUnion('kind', [
  /** `size` is a Kubernetes quantity: `20Gi`. Without a class name the cluster's default class is used. */
  z.object({ kind: z.literal('claim'), size: z.string(), className: z.string().optional() }),
  /** A folder of one node. Without a `node`, the first install chooses one. */
  z.object({ kind: z.literal('local'), size: z.string(), path: z.string(), node: z.string().optional() }),
  z.object({ kind: z.literal('ephemeral') }),
])

/**
 * The settings of `trow install`. They are stored in the cluster, so that the next install needs no flags.
 */
export const installSettingsSchema = z.object({
  version: z.literal(1),
  namespace: z.string(),
  /** `undefined` means the image of this trow's version. */
  image: z.string().optional(),
  /** A name of the user's own, without a port. */
  host: z.string().optional(),
  /** A Secret of type kubernetes.io/tls with a certificate for `host`. */
  tlsSecret: z.string().optional(),
  serviceType: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']),
  nodePort: z.number().int().optional(),
  ingressClass: z.string().optional(),
  /** Addresses and ranges of the proxies in front of the registry whose X-Forwarded-For is trusted. */
  trustedProxies: z.array(z.string()).default([]),
  storage,
  trustNodes: z.boolean(),
  restartRuntime: z.boolean(),
  editHosts: z.boolean(),
  /** True if agents may remove the startup taint from their nodes. */
  startupTaint: z.boolean().default(false),
  /**
   * The identity with which nodes pull: the node's own certificate, or the token of each pod's service
   * account.
   */
  pullIdentity: z.enum(['node', 'service-account']).default('node'),
  anonymousPull: z.boolean(),
  /** Whether pods are judged when they are made. */
  admission: z.boolean().default(true),
  /** What the API server does with a pod that nobody could judge: lets it in, or refuses it. */
  admissionFailurePolicy: z.enum(['ignore', 'fail']).default('ignore'),
  /** Namespaces in which no pod is judged, besides the cluster's and trow's own. */
  exemptNamespaces: z.array(z.string()).default([]),
  /** What comes of a pod whose service account may not pull what the pod names. */
  tenants: z.enum(['off', 'audit', 'warn', 'enforce']).default('audit'),
  /** Groups that may open a port-forward. */
  clients: z.array(z.string()),
  /** The user's own trow.yaml. */
  configuration: z.record(z.string(), z.unknown()),
})

export type InstallSettings = z.infer<typeof installSettingsSchema>
export type Storage = InstallSettings['storage']

export const defaultInstallSettings: InstallSettings = {
  version: 1,
  namespace: 'trow',
  serviceType: 'ClusterIP',
  trustedProxies: [],
  storage: { kind: 'claim', size: '20Gi' },
  trustNodes: true,
  restartRuntime: false,
  editHosts: false,
  startupTaint: false,
  pullIdentity: 'node',
  anonymousPull: false,
  admission: true,
  admissionFailurePolicy: 'ignore',
  exemptNamespaces: [],
  tenants: 'audit',
  clients: [],
  configuration: {},
}

/** What the objects depend on besides the settings: what the cluster has assigned, and this trow. */
export interface InstallFacts {
  /** The version of this trow: `0.3.0`. */
  readonly version: string
  /** The image reference that pods run. */
  readonly image: string
  /** The Service's addresses of all families; empty until the cluster has assigned them. */
  readonly clusterIps: readonly string[]
  /** The InternalIPs of the nodes, if the registry is reached there by a NodePort. */
  readonly nodeAddresses: readonly string[]
  /** The port that the cluster has assigned to a NodePort Service. */
  readonly nodePort: number | undefined
  /** True if the cluster can restrict what an agent's account writes to its own node. */
  readonly bindsNodes: boolean
  /** True if the admission webhook has failurePolicy Fail now. */
  readonly failsClosed?: boolean
}

/** Returns the hosts as image references write them; the first one is shown to users. */
export function imageHosts(settings: Pick<InstallSettings, 'host' | 'namespace'>): string[] {
  const own = `trow.${settings.namespace}.svc`
  return settings.host === undefined ? [own] : [settings.host, own]
}

/**
 * Returns the names and addresses for the certificate of trow's own CA. A host with the user's own
 * certificate is left out: the CA may not sign for it, and nodes connect by address.
 */
export function tlsNames(settings: InstallSettings, facts: InstallFacts): string[] {
  const service = `trow.${settings.namespace}`
  const { host, tlsSecret } = settings
  return [
    ...new Set([
      ...(host === undefined || tlsSecret !== undefined ? [] : [host]),
      `${service}.svc`,
      `${service}.svc.cluster.local`,
      service,
      'host.docker.internal',
      ...facts.clusterIps,
      ...facts.nodeAddresses,
    ]),
  ]
}

/** Returns whether ports of the nodes lead to the registry. */
export function hasNodePort(settings: InstallSettings): boolean {
  return settings.serviceType === 'NodePort'
}

/** Returns a listen address that all address families of the cluster can reach. */
export function listenAddress(port: number, clusterIps: readonly string[]): string {
  return clusterIps.some((address) => address.includes(':')) ? `[::]:${port}` : `0.0.0.0:${port}`
}

export const loopbackPort = ports.loopback

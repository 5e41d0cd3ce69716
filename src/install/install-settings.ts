import { z } from 'zod'
import { ports } from '../cluster/layout.ts'

const storage = z.discriminatedUnion('kind', [
  /** `size` as Kubernetes writes quantities: `20Gi`. Without a class the cluster's default. */
  z.object({ kind: z.literal('claim'), size: z.string(), className: z.string().optional() }),
  /** A folder of one node; `node` is chosen at the first install where nobody has said. */
  z.object({ kind: z.literal('local'), size: z.string(), path: z.string(), node: z.string().optional() }),
  z.object({ kind: z.literal('ephemeral') }),
])

/** What `trow install` was asked for: kept in the cluster, so that the next one needs no flags. */
export const installSettingsSchema = z.object({
  version: z.literal(1),
  namespace: z.string(),
  /** Undefined: the one of this trow's version. */
  image: z.string().optional(),
  /** A name of the user's own, without a port. */
  host: z.string().optional(),
  /** A Secret of type kubernetes.io/tls with a certificate for `host`. */
  tlsSecret: z.string().optional(),
  serviceType: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']),
  nodePort: z.number().int().optional(),
  ingressClass: z.string().optional(),
  /** Addresses and ranges of what stands before the registry, whose X-Forwarded-For is believed. */
  trustedProxies: z.array(z.string()).default([]),
  storage,
  trustNodes: z.boolean(),
  restartRuntime: z.boolean(),
  editHosts: z.boolean(),
  /** Agents may take the startup taint from their nodes. */
  startupTaint: z.boolean().default(false),
  /** As whom nodes pull: by a certificate of their own, or by the token of each pod's service account. */
  pullIdentity: z.enum(['node', 'service-account']).default('node'),
  anonymousPull: z.boolean(),
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
  clients: [],
  configuration: {},
}

/** What the objects depend on besides the settings: what the cluster has given, and what this trow is. */
export interface InstallFacts {
  /** Of this trow: `0.3.0`. */
  readonly version: string
  /** The reference that pods run. */
  readonly image: string
  /** Of the Service, all families; empty until the cluster has given them. */
  readonly clusterIps: readonly string[]
  /** InternalIPs of the nodes, where a NodePort is to be reached there. */
  readonly nodeAddresses: readonly string[]
  /** The port that the cluster has given a NodePort Service. */
  readonly nodePort: number | undefined
  /** The cluster can bind what an agent's account writes to its node. */
  readonly bindsNodes: boolean
}

/** As image references have it, the first one being the one that is shown. */
export function imageHosts(settings: Pick<InstallSettings, 'host' | 'namespace'>): string[] {
  const own = `trow.${settings.namespace}.svc`
  return settings.host === undefined ? [own] : [settings.host, own]
}

/**
 * Names and addresses for the certificate of trow's own CA. Not for a host with a certificate of the user's own: the CA
 * may not speak for it, and nodes ask by address.
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

/** Whether ports of nodes lead to the registry. */
export function hasNodePort(settings: InstallSettings): boolean {
  return settings.serviceType === 'NodePort'
}

/** An address to listen on that every family of the cluster reaches. */
export function listenAddress(port: number, clusterIps: readonly string[]): string {
  return clusterIps.some((address) => address.includes(':')) ? `[::]:${port}` : `0.0.0.0:${port}`
}

export const loopbackPort = ports.loopback

import { isIP } from 'node:net'
import { z } from 'zod'
import { isRegistryHost } from '../registry-host.ts'

const host = z.string().refine(isRegistryHost, 'is no host of image references')
const address = z.string().refine((text) => isIP(text) !== 0, 'is no IP address')
/** A DNS label (RFC 1123), the form of namespace and Service names. */
const objectName = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'is no name of an object')
const port = z.number().int().min(1).max(65535)
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const image = z
  .string()
  .max(512)
  .regex(
    new RegExp(`^${component}(?:/${component})*(?::[a-zA-Z0-9_][\\w.-]{0,127}|@sha256:[0-9a-f]{64})$`),
    'is no repository with a tag or a digest',
  )

/**
 * The agents' desired state: `settings.json` in ConfigMap `trow-orders` of the registry's namespace. The bundle is
 * beside it as `ca.crt`, so both change in one step. Every field has a grammar: agents write it into root's files.
 */
export const nodeSettingsSchema = z.object({
  version: z.literal(1),
  /** `trust`: set up the node as below. `undo`: remove all changes, and report `undone`. */
  mode: z.enum(['trust', 'undo']),
  /** Generation of the bundle; grows with every change. */
  generation: z.number().int().positive(),
  /** Hosts as in image references, without a port: `trow.trow.svc`; the agent writes `HOST` and `HOST:443`. */
  hosts: z.array(host).min(1).max(16),
  /** The Service whose pods the loopback proxy connects to. */
  registry: z.object({ namespace: objectName, service: objectName }),
  /** Port of the loopback proxy, on 127.0.0.1 of every node. */
  loopbackPort: port,
  /** Tried after the loopback proxy. */
  clusterIps: z.array(address).max(16),
  /** Tried last, on the node's own address. */
  nodePort: port.optional(),
  /** `repository@digest` or `repository:tag` that every node pulls; `undefined` until one has been pushed. */
  canary: image.optional(),
  /** Whether the agent may change `config_path` and restart the runtime, one node at a time. */
  restartRuntime: z.boolean(),
  /** The identity of pulls: the node (the default), or each pod's service account through the kubelet. */
  pullIdentity: z.enum(['node', 'service-account']).optional(),
  /** Whether trow issues certificates to nodes that have no kubelet certificate. */
  issueCertificates: z.boolean(),
  /** Whether the agent may remove the startup taint from its node; `undefined` means no. */
  startupTaint: z.boolean().optional(),
  /** Whether the agent may write its one marked line in /etc/hosts, which a node with dockerd needs. */
  editHosts: z.boolean(),
})

export type NodeSettings = z.infer<typeof nodeSettingsSchema>

import { isIP } from 'node:net'
import { z } from 'zod'
import { isRegistryHost } from '../registry-host.ts'

const host = z.string().refine(isRegistryHost, 'is no host of image references')
const address = z.string().refine((text) => isIP(text) !== 0, 'is no IP address')
/** DNS label (RFC 1123), as Kubernetes names namespaces and Services. */
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
 * What the agents are told, as `settings.json` in ConfigMap `trow-orders` of the registry's namespace; the bundle stands
 * beside it as `ca.crt`, so that both change in one step. Every field has a grammar: agents write them into files of root.
 */
export const nodeSettingsSchema = z.object({
  version: z.literal(1),
  /** `trust`: as below. `undo`: take everything back, and report `undone`. */
  mode: z.enum(['trust', 'undo']),
  /** Of the bundle: grows with every change of it. */
  generation: z.number().int().positive(),
  /** As image references spell them, without a port: `trow.trow.svc`; the agent writes `HOST` and `HOST:443`. */
  hosts: z.array(host).min(1).max(16),
  /** Where pods of the registry are found, for the loopback proxy. */
  registry: z.object({ namespace: objectName, service: objectName }),
  /** On 127.0.0.1 of every node. */
  loopbackPort: port,
  /** Tried after the loopback proxy. */
  clusterIps: z.array(address).max(16),
  /** Tried last, at the node's own address. */
  nodePort: port.optional(),
  /** `repository@digest` or `repository:tag` that every node pulls; undefined: none was pushed yet. */
  canary: image.optional(),
  /** May the agent change `config_path` and restart the runtime, one node at a time. */
  restartRuntime: z.boolean(),
  /** As whom images are pulled: the node (also where it is not said), or each pod's service account by the kubelet's hand. */
  pullIdentity: z.enum(['node', 'service-account']).optional(),
  /** Whether nodes without a kubelet certificate get one that trow issues. */
  issueCertificates: z.boolean(),
  /** May the agent take the taint from its node that keeps pods away from a new one; also undefined: no. */
  startupTaint: z.boolean().optional(),
  /** The one marked line in /etc/hosts that a dockerd node needs. */
  editHosts: z.boolean(),
})

export type NodeSettings = z.infer<typeof nodeSettingsSchema>

import { z } from 'zod'

/**
 * What the agents are told, as `settings.json` in ConfigMap `trow-node` of their namespace; the bundle stands beside it as
 * `ca.crt`, so that both change in one step.
 */
export const nodeSettingsSchema = z.object({
  version: z.literal(1),
  /** `trust`: as below. `undo`: take everything back, and report `undone`. */
  mode: z.enum(['trust', 'undo']),
  /** Of the bundle: grows with every change of it. */
  generation: z.number().int().positive(),
  /** As image references spell it, without a port: `trow.trow.svc`; the agent writes `HOST` and `HOST:443`. */
  hosts: z.array(z.string()).min(1),
  /** Where pods of the registry are found, for the loopback proxy. */
  registry: z.object({ namespace: z.string(), service: z.string() }),
  /** On 127.0.0.1 of every node. */
  loopbackPort: z.number().int().min(1).max(65535),
  /** Tried after the loopback proxy. */
  clusterIps: z.array(z.string()),
  /** Tried last, at the node's own address. */
  nodePort: z.number().int().optional(),
  /** `repository@digest` or `repository:tag` that every node pulls; undefined: none was pushed yet. */
  canary: z.string().optional(),
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

import { dataOf } from './config-data.ts'
import { z } from 'zod'
import type { KubeObject, KubeSelection } from './cluster-objects.ts'
import { labels, names } from './layout.ts'

const problem = z.object({
  /** Stable identifier in capitals: `CONFIG_PATH_UNSET`. */
  code: z.string(),
  message: z.string(),
  /** Names the file and the command to run. */
  hint: z.string().optional(),
  /** Path on the node. */
  file: z.string().optional(),
  /** A fatal problem prevents the node from pulling. */
  fatal: z.boolean(),
})

/** An agent's report on its node: `report.json` of ConfigMap `node-<name>`. Times are ISO 8601. */
export const nodeReportSchema = z.object({
  version: z.literal(1),
  node: z.string(),
  /** Heartbeat: every 30 s, and at once after a change. A report older than two minutes counts as unknown. */
  time: z.iso.datetime(),
  /** trow's version. */
  agent: z.string(),
  /** `ready`: trust is written, in effect, and a pull succeeded. `undone`: nothing of ours is left on the node. */
  phase: z.enum(['starting', 'ready', 'problem', 'undone']),
  /** `unset`: the runtime reads no hosts folder. `managed`: only the platform's own tools write its files. */
  class: z.enum(['direct', 'colon', 'unset', 'managed', 'unsupported']),
  /** `kubeadm`, `k3s`, `eks`, …. */
  distribution: z.string(),
  runtime: z.object({ name: z.string(), version: z.string() }),
  /** The folder of hosts.toml, as a path on the node. */
  folder: z.string().optional(),
  /** Registry hosts as in image references. The next agent uses the list to remove what this one wrote. */
  hosts: z.array(z.string()).optional(),
  generation: z.object({
    /** Generation of the bundle in the node's files. */
    written: z.number().int().optional(),
    /** Generation of the bundle with which the last pull succeeded. */
    effective: z.number().int().optional(),
  }),
  /** The identity of pulls; `service-account` is that of each pod, through the kubelet's credential provider. */
  identity: z.object({
    kind: z.enum(['kubelet', 'issued', 'service-account', 'none']),
    notAfter: z.iso.datetime().optional(),
    file: z.string().optional(),
  }),
  proxy: z.object({ listening: z.boolean(), endpoints: z.array(z.string()) }),
  canary: z
    .object({
      time: z.iso.datetime(),
      image: z.string(),
      ok: z.boolean(),
      milliseconds: z.number().int(),
      error: z.string().optional(),
      /** uids of the pods that served the registry when the pull began. */
      registry: z.array(z.string()).optional(),
    })
    .optional(),
  problems: z.array(problem),
})

export type NodeReport = z.infer<typeof nodeReportSchema>
export type NodeProblem = z.infer<typeof problem>

/** Why a node does not pull with its pods' service accounts yet although it should. Its pulls still work. */
export function pullIdentityProblem({ problems }: Pick<NodeReport, 'problems'>): NodeProblem | undefined {
  return problems.find(({ code }) => code.startsWith('PULL_IDENTITY_'))
}

/** Selects the reports of all nodes. */
export function reportsIn(nodeNamespace: string): KubeSelection {
  return { apiVersion: 'v1', kind: 'ConfigMap', namespace: nodeNamespace, labelSelector: labels.report }
}

/** Milliseconds after which a pull is no proof any more; agents pull every ten minutes. */
export const pullLife = 900_000

/** Milliseconds after which a report is outdated. */
export const reportLife = 120_000

/**
 * Reads a ConfigMap `node-<name>`. Returns `undefined` if it is absent, damaged, of another version of trow, or if the
 * report names another node: an agent may write any text into its own node's ConfigMap.
 */
export function readNodeReport(map: KubeObject | undefined): NodeReport | undefined {
  const data = dataOf(map)
  try {
    const report = nodeReportSchema.parse(JSON.parse(data['report.json'] ?? ''))
    return map?.metadata.name === names.report(report.node) ? report : undefined
  } catch {
    return undefined
  }
}

import { z } from 'zod'
import type { KubeObject, KubeSelection } from './cluster-objects.ts'
import { labels, names } from './layout.ts'

const problem = z.object({
  /** Stable, in capitals: `CONFIG_PATH_UNSET`. */
  code: z.string(),
  message: z.string(),
  /** Names the file and the command. */
  hint: z.string().optional(),
  /** On the node. */
  file: z.string().optional(),
  /** A fatal one keeps the node from pulling. */
  fatal: z.boolean(),
})

/** What an agent found and did on its node: `report.json` of ConfigMap `node-<name>`. Times are ISO 8601. */
export const nodeReportSchema = z.object({
  version: z.literal(1),
  node: z.string(),
  /** Heartbeat: every 30 s, and at once when something changes. Older than two minutes counts as unknown. */
  time: z.iso.datetime(),
  /** Of trow. */
  agent: z.string(),
  /** `ready`: written, effective and pulled. `undone`: nothing of ours is left on the node. */
  phase: z.enum(['starting', 'ready', 'problem', 'undone']),
  /** `unset`: the runtime reads no folder. `managed`: files of this platform are written by its own tools only. */
  class: z.enum(['direct', 'colon', 'unset', 'managed', 'unsupported']),
  /** `kubeadm`, `k3s`, `eks`, …. */
  distribution: z.string(),
  runtime: z.object({ name: z.string(), version: z.string() }),
  /** The folder that hosts.toml stands in, as the node names it. */
  folder: z.string().optional(),
  /** As image references spell them: those that the agent has written for, so that the next one can take them back. */
  hosts: z.array(z.string()).optional(),
  generation: z.object({
    /** Of the bundle that stands on the node. */
    written: z.number().int().optional(),
    /** Of the bundle with which the last pull succeeded. */
    effective: z.number().int().optional(),
  }),
  /** As whom the runtime pulls; `service-account`: of each pod, by the kubelet's credential provider. */
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
      /** uids of the pods that served when it began. */
      registry: z.array(z.string()).optional(),
    })
    .optional(),
  problems: z.array(problem),
})

export type NodeReport = z.infer<typeof nodeReportSchema>
export type NodeProblem = z.infer<typeof problem>

/** Why a node does not yet pull as the service accounts of its pods, though it is to; its pulls go on. */
export function pullIdentityProblem({ problems }: Pick<NodeReport, 'problems'>): NodeProblem | undefined {
  return problems.find(({ code }) => code.startsWith('PULL_IDENTITY_'))
}

/** The reports of all nodes, as a list asks for them. */
export function reportsIn(nodeNamespace: string): KubeSelection {
  return { apiVersion: 'v1', kind: 'ConfigMap', namespace: nodeNamespace, labelSelector: labels.report }
}

/** Milliseconds after which a pull proves nothing any more: agents pull every ten minutes. */
export const pullLife = 900_000

/** Milliseconds after which a report says nothing any more. */
export const reportLife = 120_000

/**
 * Of a ConfigMap `node-<name>`; undefined where there is none, or one of another version of trow, or a damaged one, or one that
 * speaks for another node than it is of: an agent writes its own name's ConfigMap, whatever stands in it.
 */
export function readNodeReport(map: KubeObject | undefined): NodeReport | undefined {
  const data = map?.['data'] as Readonly<Record<string, string>> | undefined
  try {
    const report = nodeReportSchema.parse(JSON.parse(data?.['report.json'] ?? ''))
    return map?.metadata.name === names.report(report.node) ? report : undefined
  } catch {
    return undefined
  }
}

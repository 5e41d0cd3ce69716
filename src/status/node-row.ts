import {
  pullIdentityProblem,
  pullLife,
  readNodeReport,
  reportLife,
  type NodeProblem,
  type NodeReport,
} from '../cluster/node-report.ts'
import type { KubeObject } from '../cluster/cluster-objects.ts'

/**
 * The state of one node according to its agent. `healthy` requires a recent report of a pull with the current
 * CAs.
 */
export interface NodeRow {
  readonly node: string
  readonly state: 'healthy' | 'problem' | 'unknown'
  readonly runtime: string
  readonly class: string
  /** `3`, or `2 of 3`: the generation of the bundle that is in effect. */
  readonly trust: string
  readonly identity: string
  /** `12 s ago`, `failed`, `never`. */
  readonly lastPull: string
  readonly problems: readonly { readonly message: string; readonly hint?: string }[]
  /** What is not as it should be although the node pulls. `description` follows the node's name. */
  readonly notes: readonly NodeNote[]
}

export interface NodeNote {
  readonly message: string
  readonly hint?: string
  readonly description: string
}

/** What a node's pull must have used to count as current evidence. */
export interface Evidence {
  /** The generation of the bundle that the node should have; `undefined` if it may not be read. */
  readonly generation: number | undefined
  /** The uids of the serving pods; `undefined` if they may not be read. */
  readonly registry: readonly string[] | undefined
  readonly now: number
}

interface NodeStatus {
  readonly conditions?: readonly {
    readonly type: string
    readonly status: string
    readonly message?: string
  }[]
  readonly nodeInfo?: { readonly containerRuntimeVersion?: string }
}

/** `report` is the node's ConfigMap. */
export function nodeRow(node: KubeObject, report: KubeObject | undefined, evidence: Evidence): NodeRow {
  const name = node.metadata.name
  const { conditions = [], nodeInfo } = (node['status'] ?? {}) as NodeStatus
  const runtime = nodeInfo?.containerRuntimeVersion?.replace('://', ' ') ?? 'unknown'
  const ready = conditions.find(({ type }) => type === 'Ready')
  const unknown = (message: string, hint: string): NodeRow => ({
    node: name,
    state: 'unknown',
    runtime,
    class: '-',
    trust: '-',
    identity: '-',
    lastPull: '-',
    problems: [{ message, hint }],
    notes: [],
  })
  if (report === undefined) {
    return ready?.status === 'True'
      ? unknown('its agent has reported nothing yet', `See the agent's pod on it: ${podsOn(name)}`)
      : unknown('the node is not Ready', `kubectl describe node ${name}`)
  }
  const parsed = readNodeReport(report)
  if (parsed === undefined)
    return unknown(
      'its report cannot be read',
      `It is of another version of trow, or damaged: ${podsOn(name)}`,
    )
  const age = evidence.now - Date.parse(parsed.time)
  if (age > reportLife) {
    return unknown(
      `its agent has been silent for ${seconds(age)}`,
      ready?.status === 'True'
        ? `See the agent's pod on it: ${podsOn(name)}`
        : `The node is not Ready either: kubectl describe node ${name}`,
    )
  }
  return rowOf(name, parsed, evidence)
}

function rowOf(name: string, report: NodeReport, { generation, registry, now }: Evidence): NodeRow {
  const { effective } = report.generation
  const { canary } = report
  const problems = report.problems
    .filter(({ fatal }) => fatal || report.phase === 'problem')
    .map(({ message, hint, file }) => ({
      message: file === undefined || message.includes(file) ? message : `${file}: ${message}`,
      ...(hint === undefined ? {} : { hint: `node ${name}: ${hint}` }),
    }))
  const isBehind = generation !== undefined && effective !== generation
  if (report.phase === 'undone') problems.push({ message: 'trust was taken back here' })
  else if (canary === undefined) problems.push({ message: 'nothing has been pulled yet' })
  else if (!canary.ok && problems.length === 0)
    problems.push({ message: `the pull of ${canary.image} failed: ${canary.error ?? 'no reason was given'}` })
  else if (canary.ok && isBehind)
    problems.push({
      message: `it has pulled with generation ${effective ?? 'none'} of the CA, not yet with ${generation}`,
    })
  const old = problems.length === 0 ? outdated(report, registry) : undefined
  const known = `${effective ?? 'none'}`
  return {
    node: name,
    state:
      old !== undefined
        ? 'unknown'
        : report.phase === 'ready' && problems.length === 0
          ? 'healthy'
          : 'problem',
    runtime: `${report.runtime.name} ${report.runtime.version}`,
    class: report.class,
    trust: isBehind ? `${known} of ${generation}` : known,
    identity: report.identity.kind,
    lastPull:
      canary === undefined ? 'never' : canary.ok ? `${seconds(now - Date.parse(canary.time))} ago` : 'failed',
    problems: old === undefined ? problems : [old],
    notes: report.phase === 'ready' ? notesOf(name, report.problems) : [],
  }
}

/** Returns why the last pull is no current evidence. Both times are from the node's own clock. */
function outdated(
  { node, time, canary }: NodeReport,
  registry: readonly string[] | undefined,
): NodeRow['problems'][number] | undefined {
  if (canary?.ok !== true) return undefined
  const hint = `Its agent pulls again by itself; if this stays: ${podsOn(node)}`
  const age = Date.parse(time) - Date.parse(canary.time)
  if (age > pullLife) return { message: `its last pull was ${seconds(age)} before its last report`, hint }
  const { registry: asked } = canary
  // An agent of an older trow does not report the pods.
  if (asked === undefined || registry === undefined || registry.every((pod) => asked.includes(pod)))
    return undefined
  return { message: "it has not pulled since the registry's pod was replaced", hint }
}

function notesOf(node: string, problems: readonly NodeProblem[]): NodeNote[] {
  const identity = pullIdentityProblem({ problems: [...problems] })
  return problems
    .filter(({ fatal }) => !fatal)
    .map((problem) => ({
      message: problem.message,
      ...(problem.hint === undefined
        ? {}
        : { hint: problem.hint.includes(node) ? problem.hint : `node ${node}: ${problem.hint}` }),
      description:
        problem === identity ? 'pulls as the service accounts of its pods' : 'pulls as it is meant to',
    }))
}

function podsOn(node: string): string {
  return `kubectl get pods -A -l app.kubernetes.io/component=node --field-selector spec.nodeName=${node}`
}

/** Formats `12 s`, `5 min` or `3 h`. */
function seconds(milliseconds: number): string {
  const whole = Math.max(0, Math.round(milliseconds / 1000))
  if (whole < 120) return `${whole} s`
  return whole < 7200 ? `${Math.round(whole / 60)} min` : `${Math.round(whole / 3600)} h`
}

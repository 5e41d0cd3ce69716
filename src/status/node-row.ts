import {
  pullIdentityProblem,
  readNodeReport,
  reportLife,
  type NodeProblem,
  type NodeReport,
} from '../cluster/node-report.ts'
import type { KubeObject } from '../cluster/cluster-objects.ts'

/** One node, as its agent says it is: `healthy` only by a fresh report of a pull with the CAs of now. */
export interface NodeRow {
  readonly node: string
  readonly state: 'healthy' | 'problem' | 'unknown'
  readonly runtime: string
  readonly class: string
  /** `3`, or `2 of 3`: the generation of the bundle that is effective. */
  readonly trust: string
  readonly identity: string
  /** `12 s ago`, `failed`, `never`. */
  readonly lastPull: string
  readonly problems: readonly { readonly message: string; readonly hint?: string }[]
  /** It pulls, but not yet as the service accounts of its pods, as it is to. */
  readonly note?: { readonly message: string; readonly hint?: string }
}

interface NodeStatus {
  readonly conditions?: readonly {
    readonly type: string
    readonly status: string
    readonly message?: string
  }[]
  readonly nodeInfo?: { readonly containerRuntimeVersion?: string }
}

/** `report`: the node's ConfigMap; `generation`: of the bundle that it should have. */
export function nodeRow(
  node: KubeObject,
  report: KubeObject | undefined,
  { generation, now }: { readonly generation: number; readonly now: number },
): NodeRow {
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
  const age = now - Date.parse(parsed.time)
  if (age > reportLife) {
    return unknown(
      `its agent has been silent for ${seconds(age)}`,
      ready?.status === 'True'
        ? `See the agent's pod on it: ${podsOn(name)}`
        : `The node is not Ready either: kubectl describe node ${name}`,
    )
  }
  return rowOf(name, parsed, { generation, now })
}

function rowOf(
  name: string,
  report: NodeReport,
  { generation, now }: { readonly generation: number; readonly now: number },
): NodeRow {
  const { effective } = report.generation
  const { canary } = report
  const problems = report.problems
    .filter(({ fatal }) => fatal || report.phase === 'problem')
    .map(({ message, hint, file }) => ({
      message: file === undefined || message.includes(file) ? message : `${file}: ${message}`,
      ...(hint === undefined ? {} : { hint: `node ${name}: ${hint}` }),
    }))
  if (report.phase === 'undone') problems.push({ message: 'trust was taken back here' })
  else if (canary === undefined) problems.push({ message: 'nothing has been pulled yet' })
  else if (!canary.ok && problems.length === 0)
    problems.push({ message: `the pull of ${canary.image} failed: ${canary.error ?? 'no reason was given'}` })
  else if (canary.ok && effective !== generation)
    problems.push({
      message: `it has pulled with generation ${effective ?? 'none'} of the CA, not yet with ${generation}`,
    })
  const open = pullIdentityProblem(report)
  return {
    node: name,
    ...(open === undefined ? {} : { note: noteOf(name, open) }),
    state: report.phase === 'ready' && problems.length === 0 ? 'healthy' : 'problem',
    runtime: `${report.runtime.name} ${report.runtime.version}`,
    class: report.class,
    trust: effective === generation ? `${effective}` : `${effective ?? 'none'} of ${generation}`,
    identity: report.identity.kind,
    lastPull:
      canary === undefined ? 'never' : canary.ok ? `${seconds(now - Date.parse(canary.time))} ago` : 'failed',
    problems,
  }
}

function noteOf(node: string, { message, hint }: NodeProblem): NonNullable<NodeRow['note']> {
  return { message, ...(hint === undefined ? {} : { hint: `node ${node}: ${hint}` }) }
}

function podsOn(node: string): string {
  return `kubectl get pods -A -l app.kubernetes.io/component=node --field-selector spec.nodeName=${node}`
}

/** `12 s`, `5 min`, `3 h`. */
function seconds(milliseconds: number): string {
  const whole = Math.max(0, Math.round(milliseconds / 1000))
  if (whole < 120) return `${whole} s`
  return whole < 7200 ? `${Math.round(whole / 60)} min` : `${Math.round(whole / 3600)} h`
}

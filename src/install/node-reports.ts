import { counted } from '../counted.ts'
import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import {
  pullIdentityProblem,
  readNodeReport,
  reportLife,
  reportsIn,
  type NodeReport,
} from '../cluster/node-report.ts'
import { exitCode, UserError } from '../user-error.ts'
import type { InstallContext } from './install-context.ts'
import { faultLines } from '../cluster/grouped-faults.ts'
import { layoutOf } from '../cluster/layout.ts'
import { agentNodes, type AgentState, type AgentWatch } from './agent-watch.ts'
import { waitUntil, type WaitOutcome } from './waiting.ts'

export interface PullOptions {
  /** As NodeSettings has it. */
  readonly canary: string
  readonly generation: number
}

/** The result of one Ready node's pull. */
export interface NodePull {
  readonly node: string
  readonly result: 'pulled' | 'waiting' | 'cannot'
  readonly reason: string
  readonly hint: string | undefined
  /** For a node that pulls, but not yet as the service accounts of its pods: why, and what to run. */
  readonly note?: string
}

/**
 * Waits until every Ready node has pulled the canary with the current bundle, or cannot do so by waiting.
 * Throws UserError NODES_NOT_PULLING, which lists the other nodes, each with the reason from its report, its
 * agent or the kubelet. The exit code is 79 if some nodes have pulled or waiting does not help.
 */
export async function waitForPulls(
  context: InstallContext,
  options: PullOptions,
  agents: AgentWatch,
): Promise<readonly NodePull[]> {
  let last: readonly NodePull[] = []
  try {
    await waitUntil(context, 'every node pulls the canary', async (): Promise<WaitOutcome> => {
      const pulls = await nodePulls(context.cluster, context.settings.namespace, options, context.now())
      last = pulls.every(({ result }) => result === 'pulled') ? pulls : withAgents(pulls, await agents.look())
      const open = last.filter(({ result }) => result !== 'pulled')
      if (open.every(({ result }) => result === 'cannot')) return { done: true }
      return { done: false, reasons: open.map(({ node, reason }) => ({ node, text: reason })) }
    })
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'INSTALL_TIMED_OUT' || last.length === 0) throw error
    const some = last.some(({ result }) => result === 'pulled')
    throw notPulling(last, some ? exitCode.problemsFound : exitCode.timedOut, error)
  }
  if (last.some(({ result }) => result === 'cannot')) throw notPulling(last, exitCode.problemsFound)
  return last
}

/**
 * A node that has not pulled sends no report while its agent does not run; the agent's state is then the
 * reason.
 */
function withAgents(pulls: readonly NodePull[], agents: readonly AgentState[]): NodePull[] {
  const byNode = new Map(agents.map((agent) => [agent.node, agent]))
  return pulls.map((pull) => {
    const agent = byNode.get(pull.node)
    if (pull.result !== 'waiting' || agent === undefined || agent.state === 'ready') return pull
    const { reason, hint } = agent
    return { ...pull, result: agent.state === 'stuck' ? 'cannot' : 'waiting', reason, hint }
  })
}

export async function nodePulls(
  cluster: ClusterObjects,
  namespace: string,
  options: PullOptions,
  now: number,
): Promise<NodePull[]> {
  const [nodes, maps] = await Promise.all([
    agentNodes(cluster),
    cluster.list(reportsIn(layoutOf(namespace).nodeNamespace)),
  ])
  const reports = new Map<string, NodeReport>()
  for (const map of maps) {
    const report = readNodeReport(map)
    if (report !== undefined) reports.set(report.node, report)
  }
  return nodes.map(({ name }) => judged(name, reports.get(name), options, now))
}

function judged(node: string, report: NodeReport | undefined, options: PullOptions, now: number): NodePull {
  const waiting = (reason: string, hint?: string): NodePull => ({ node, result: 'waiting', reason, hint })
  if (report === undefined) return waiting('its agent has not reported yet')
  if (now - Date.parse(report.time) > reportLife) return waiting(`its agent last reported at ${report.time}`)
  const { canary, generation, problems } = report
  const fatal = problems.find((problem) => problem.fatal)
  const current = (generation.effective ?? 0) >= options.generation
  if (canary?.ok === true && canary.image.endsWith(options.canary) && current) {
    const open = pullIdentityProblem(report)
    const note = open && [open.message, open.hint].filter((text) => text !== undefined).join(': ')
    const reason = `${canary.milliseconds} ms`
    return { node, result: 'pulled', reason, hint: undefined, ...(note === undefined ? {} : { note }) }
  }
  const stuck = ['unset', 'managed', 'unsupported'].includes(report.class)
  if (stuck && fatal !== undefined) return { node, result: 'cannot', reason: fatal.message, hint: fatal.hint }
  if (fatal !== undefined) return waiting(fatal.message, fatal.hint)
  if (canary?.ok === false && canary.image.endsWith(options.canary))
    return waiting(canary.error ?? 'its pull failed')
  return waiting('it has not pulled yet')
}

function notPulling(pulls: readonly NodePull[], code: number, cause?: unknown): UserError {
  const missing = pulls.filter(({ result }) => result !== 'pulled')
  const faults = faultLines(missing.map(({ node, reason }) => ({ node, text: reason })))
  const hints = faultLines(
    missing.flatMap(({ node, hint }) => (hint === undefined ? [] : [{ node, text: hint }])),
  )
  return new UserError(
    'NODES_NOT_PULLING',
    `the registry runs, and ${missing.length} of ${counted(pulls.length, 'node')} cannot pull from it: ${faults.join('; ')}`,
    {
      hint: [
        ...hints.map((hint) => `${hint.replace(/\.$/, '')}.`),
        'trow status shows every node; trow install again goes on from here.',
      ].join(' '),
      exitCode: code,
      cause,
    },
  )
}

import type { NodeProblem, NodeReport } from '../cluster/node-report.ts'
import type { CanaryKeeper } from './canary-keeper.ts'
import type { DesiredState } from './desired-state.ts'
import type { EndpointPool } from './endpoint-pool.ts'
import type { ProxyKeeper } from './proxy-keeper.ts'
import { hostPort } from '../host-port.ts'
import type { TrustState } from './trust-keeper.ts'

/** The report of a node from all that is known of it. */
export function reportOf(parts: {
  readonly node: string
  /** Version of trow. */
  readonly agent: string
  readonly desiredState: DesiredState | undefined
  readonly state: TrustState
  readonly hosts: readonly string[]
  readonly proxy: ProxyKeeper
  readonly pool: EndpointPool
  readonly canary: CanaryKeeper
  /** Problems of the desired state itself, and of the agent. */
  readonly problems: readonly NodeProblem[]
}): Omit<NodeReport, 'time'> {
  const { node, agent, desiredState, state, proxy, pool, canary } = parts
  const { facts, identity, written, undone } = state
  const pulled = canary.result?.ok === true
  // A successful pull disproves that a problem prevents pulls.
  const found = state.problems.map((problem) => ({ ...problem, fatal: problem.fatal && !pulled }))
  const given = [...parts.problems, proxy.problem, ...found, canary.problem]
  const problems = given.filter((problem) => problem !== undefined)
  const isUndo = desiredState?.settings.mode === 'undo'
  const proved = pulled && (written === undefined || canary.effective === written)
  const fatal = problems.some((problem) => problem.fatal)
  return {
    version: 1,
    node,
    agent,
    phase: isUndo && undone ? 'undone' : fatal ? 'problem' : proved ? 'ready' : 'starting',
    class: facts.class,
    distribution: facts.distribution,
    runtime: canary.runtime ?? facts.runtime,
    ...(facts.folder === undefined ? {} : { folder: facts.folder }),
    ...(parts.hosts.length === 0 ? {} : { hosts: [...parts.hosts] }),
    generation: {
      ...(written === undefined ? {} : { written }),
      ...(canary.effective === undefined ? {} : { effective: canary.effective }),
    },
    identity: {
      kind: identity?.kind ?? 'none',
      ...(identity?.notAfter === undefined ? {} : { notAfter: identity.notAfter }),
      ...(identity?.pair === undefined ? {} : { file: identity.pair.certificate }),
    },
    proxy: {
      listening: proxy.port !== undefined,
      endpoints: pool.endpoints
        .filter(({ serving }) => serving)
        .map(({ host, port }) => hostPort(host, port)),
    },
    ...(canary.result === undefined ? {} : { canary: canary.result }),
    problems,
  }
}

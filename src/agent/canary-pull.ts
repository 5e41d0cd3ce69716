import type { NodeReport } from '../cluster/node-report.ts'
import type { MachineFacts } from '../trust/node-trust.ts'
import type { DesiredState } from './desired-state.ts'
import type { PullContext } from './pull-problem.ts'

/** The reference of the canary; undefined: none was pushed yet. */
export function canaryImage({ settings: { hosts, canary } }: DesiredState): string | undefined {
  return canary === undefined ? undefined : `${hosts[0]}/${canary}`
}

/** The facts that explain a failed pull. */
export function pullContextOf(
  node: string,
  { settings }: DesiredState,
  facts: MachineFacts,
  identity: NodeReport['identity']['kind'],
): PullContext {
  return {
    node,
    namespace: settings.registry.namespace,
    host: settings.hosts[0] ?? '',
    folder: facts.folder,
    identity,
    runtime: facts.runtime.name === 'cri-o' ? 'crio' : facts.runtime.name,
  }
}

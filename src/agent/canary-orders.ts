import type { NodeReport } from '../cluster/node-report.ts'
import type { NodeFacts } from '../trust/node-trust.ts'
import type { NodeOrders } from './node-orders.ts'
import type { PullSurroundings } from './pull-problem.ts'

/** Undefined: none was pushed yet. */
export function canaryImage({ settings: { hosts, canary } }: NodeOrders): string | undefined {
  return canary === undefined ? undefined : `${hosts[0]}/${canary}`
}

/** What a failed pull is explained with. */
export function surroundingsOf(
  node: string,
  { settings }: NodeOrders,
  facts: NodeFacts,
  identity: NodeReport['identity']['kind'],
): PullSurroundings {
  return {
    node,
    namespace: settings.registry.namespace,
    host: settings.hosts[0] ?? '',
    folder: facts.folder,
    identity,
    runtime: facts.runtime.name === 'cri-o' ? 'crio' : facts.runtime.name,
  }
}

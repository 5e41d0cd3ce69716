import type { ClusterObjects } from '../cluster/cluster-objects.ts'
import type { Layout } from '../cluster/layout.ts'
import type { Log } from '../log.ts'
import type { AgentPace } from './agent-pace.ts'
import type { Machine } from './machine.ts'

export interface NodeAgentOptions {
  readonly node: string
  readonly hostRoot: string
  readonly layout: Layout
  /** The only hosts that the desired state may name. */
  readonly imageHosts: readonly string[]
  /** Version of trow. */
  readonly version: string
  readonly objects: ClusterObjects
  readonly machine: Machine
  /** Has the registry at `HOST:PORT` certify a key for this node. */
  readonly certify: (parts: { endpoint: string; ca: string; request: string }) => Promise<string>
  /**
   * A token of the agent's own account with audience `trow`: for certificates, and for pulls without a
   * certificate.
   */
  readonly token: () => Promise<string>
  readonly crypto: Crypto
  readonly now: () => number
  readonly random: () => number
  readonly log: Log
  readonly pace?: Partial<AgentPace>
}

import type { BreakGlass } from '../../admission/break-glass.ts'
import type { WebhookChange } from '../../cluster/webhook-configuration.ts'
import type { TlsPair } from '../../http/tls-context.ts'
import type { PackedPolicies } from '../../policy-store/packed-policies.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { FloorStatus } from './floor-status.ts'
import type { RegistryClientParts } from './registry-client.ts'

/** The `workerData` of the thread that follows the cluster. */
export interface ClusterStart {
  readonly settings: Settings
  readonly logFormat: 'json' | 'text'
  readonly namespace: string
  /** Namespaces whose pods the floor does not see, without that of trow. */
  readonly excluded: readonly string[]
  /** How the thread asks the registry for facts of content. */
  readonly registry: Omit<RegistryClientParts, 'now'>
  /** Of this pod, unlike any other's. */
  readonly identity: string
  /** Of what an earlier thread of this process published; 0: nothing. */
  readonly generation: number
}

/** Calls that the thread answers for main. */
export interface ClusterSide {
  /** Called once, first. Throws UserError where the user can fix the reason why it cannot start. */
  start(): Promise<void>
  state(): ClusterState
  stop(): void
}

/** For metrics. */
export interface ClusterState {
  readonly isHolder: boolean
  /** Milliseconds since 1970 at which the policies were heard of last. */
  readonly lastSync: number | undefined
  readonly failurePolicy: string | undefined
  /** Undefined on the pods that do not keep the floor. */
  readonly floor: FloorStatus | undefined
  /** Of the scan of running pods, as Prometheus text; empty on the pods that do not scan. */
  readonly scan: string
}

/** Calls that main answers for the thread. */
export interface ClusterMain {
  /** Resolves when reviews are judged by them. */
  publish(packed: PackedPolicies): Promise<void>
  setTls(pair: TlsPair): void
  setBreakGlass(open: BreakGlass | undefined, isHolder: boolean): void
  /** The policies of the cluster are in force, and not only what was last good. */
  synced(): void
  /** Somebody else has changed the webhooks; told to the audit by one pod. */
  webhooksChanged(change: WebhookChange, isHolder: boolean): void
}

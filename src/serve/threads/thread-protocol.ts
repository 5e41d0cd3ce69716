import type { MessagePort } from 'node:worker_threads'
import type { Health } from '../../http/health-routes.ts'
import type { RequestCount } from '../../http/request-counters.ts'
import type { TlsPair } from '../../http/tls-context.ts'
import type { CommitTotals } from '../garbage/commit-totals.ts'
import type { BodyBuffers } from './body-places.ts'
import type { FileChange } from '../audit/file-change.ts'
import type { ServedStanding } from '../control/served-standing.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { EncodedAuditRecord } from '../../metadata/outbox.ts'
import type { Announced } from '../../audit/admission-event.ts'
import type { MergedAccess } from '../../audit/minute-merger.ts'
import type { AuditHealth } from '../../audit/audit-health.ts'
import type { PolicyCount } from '../../enforcement/policy-counters.ts'
import type { PackedPolicies } from '../../policy-store/packed-policies.ts'
import type { PolicyStatus } from '../../policy-store/policy-status.ts'
import type { OperationCount } from './operation-counters.ts'
import type { Ticket } from '../../storage/ticket.ts'

/** The `workerData` of an HTTP worker. */
export interface WorkerStart {
  readonly number: number
  readonly settings: Settings
  readonly host: string
  readonly port: number
  readonly reusePort: boolean
  readonly tls: TlsPair | undefined
  readonly bodies: BodyBuffers
  /** Memory of the `DenialTable`. */
  readonly denials: SharedArrayBuffer
  readonly storage: Ticket
  /** Connects to the access thread; undefined where access is open. */
  readonly access: MessagePort | undefined
  /** Connects to the audit thread; undefined where there is no audit. */
  readonly audit: MessagePort | undefined
  readonly logFormat: 'json' | 'text'
  readonly seen: SeenHealth
  /** Undefined where no policies are configured, or none were read yet. */
  readonly policies: PackedPolicies | undefined
}

/** The health that main has observed; each worker reports it. */
export interface SeenHealth {
  readonly write: Health
  readonly maintenance: Health
}

/** Every thread takes changed settings while it runs; see `liveSettings`. */
export interface SettingsSide {
  /** Resolves when the thread works with them. */
  setSettings(settings: Settings): void | Promise<void>
}

/** Calls that a worker answers for main. */
export interface WorkerSide extends SettingsSide {
  /** Called once, first. Throws UserError PORT_TAKEN, PORT_NOT_PERMITTED or LISTEN_FAILED. */
  listen(): Promise<void>
  setSeen(seen: SeenHealth): void
  setTls(pair: TlsPair): void
  /** Credentials or rights have changed: what is known of them is asked for again. */
  forgetAccess(): void
  /** Resolves when every request that begins is judged by them. */
  setPolicies(packed: PackedPolicies): Promise<void>
  counts(): WorkerCounts
  /** Resolves when all requests that were running at the call have ended. */
  windDown(): Promise<void>
  /** Ends the worker within `limit` milliseconds. */
  close(limit: number): void
}

/** Calls that main answers for a worker. */
export interface WorkerMain {
  /** Lines of the access log, for standard output. */
  accessLines(lines: string): void
  /** Changes of policies that a webhook has let through. */
  announce(changes: readonly Announced[]): void
}

export interface WorkerCounts {
  readonly worker: number
  readonly inFlight: number
  readonly requests: readonly RequestCount[]
  readonly operations: readonly OperationCount[]
  /** Reads that were answered from caches while the database was away. */
  readonly staleReads: number
  /** Empty where no policy applies. */
  readonly policies: readonly PolicyCount[]
  /** Event-loop lag since the last report, in seconds. */
  readonly lag: { readonly mean: number; readonly p99: number; readonly max: number }
  /** Bytes. */
  readonly heapUsed: number
}

/** The `workerData` of the threads besides the workers: maintenance, access, audit, policies. */
export interface MaintenanceStart {
  readonly settings: Settings
  readonly storage: Ticket
  readonly logFormat: 'json' | 'text'
}

export type AccessStart = MaintenanceStart
export type AuditStart = MaintenanceStart

export interface PolicyStart extends MaintenanceStart {
  /** Of what an earlier policy thread of this process published; 0: nothing. */
  readonly generation: number
}

/**
 * Calls that a thread of which there is only one answers for main. Other threads call it over ports of their
 * own.
 */
export interface ServedSide extends SettingsSide {
  /** Called once, first. Throws UserError where the user can fix the reason why it cannot start. */
  start(): Promise<void>
  /** Attaches the port of another thread that calls this one. */
  attach(port: MessagePort): void
  /** Health of the audit log; undefined for a thread without one. */
  health(): AuditHealth | undefined
  stop(): void
}

/** Calls that main answers for the access thread. */
export interface AccessMain {
  /**
   * Receives the CA of the cluster's client certificates (PEM), at first and whenever it changes. Undefined:
   * there is none now.
   */
  clientAuthority(cluster: string | undefined): void
  /** The htpasswd file was read again; undefined: the users in it are the same. */
  usersChanged(change: FileChange | undefined): void
}

/** Calls that main answers for the audit thread. */
export interface AuditMain {
  /** Writes the lines to standard output. */
  lines(lines: string): void
}

/** Calls that the audit thread answers for a worker. */
export interface AuditPort {
  merged(batch: readonly MergedAccess[]): void
}

/** Calls that the policy thread answers for main. */
export interface PolicySide extends SettingsSide {
  /**
   * Called once, first. Resolves when policies are in force, at the latest after a second. Throws UserError where
   * the user can fix the reason why it cannot start.
   */
  start(): Promise<void>
  status(): PolicyStatus
  /** Throws UserError. */
  ask(question: PolicyQuestion): Promise<PolicyReply>
  announce(changes: readonly Announced[]): void
  stop(): void
}

/** Calls that main answers for the policy thread. */
export interface PolicyMain {
  /**
   * Resolves when every live worker judges by them, or has had time to: `unconfirmed` names those that do not yet.
   * A worker that starts later gets them before it listens.
   */
  publish(packed: PackedPolicies): Promise<void>
  /** Workers that have not confirmed what was published: `worker 2`. */
  unconfirmed(): readonly string[]
}

/** A request of the control socket; `body`: its JSON, as it came. */
export interface PolicyQuestion {
  readonly kind: 'status' | 'read' | 'edit'
  readonly body: string
}

/** The answer's JSON. */
export type PolicyReply = string

/** Calls that main answers for the maintenance thread. */
export interface MaintenanceMain {
  /** Undefined when no policies are configured. Rejects with UserError. */
  askPolicies(question: PolicyQuestion): Promise<PolicyReply> | undefined
  standing(): ServedStanding
}

export interface MaintenanceSide extends SettingsSide {
  /** Called once, first. */
  start(): void
  /** Writes an audit record; resolves when it is durable. */
  record(auditRecord: EncodedAuditRecord): Promise<void>
  totals(): MaintenanceTotals
  stop(): void
}

export interface MaintenanceTotals extends CommitTotals {
  readonly collections: number
  readonly collectedItems: number
  readonly collectedBytes: number
  /** Seconds since the epoch; 0 before the first collection. */
  readonly lastCollection: number
}

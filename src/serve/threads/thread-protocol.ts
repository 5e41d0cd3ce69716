import type { MessagePort } from 'node:worker_threads'
import type { Health } from '../../http/health-routes.ts'
import type { RequestCount } from '../../http/request-counters.ts'
import type { TlsPair } from '../../http/tls-context.ts'
import type { BodyBuffers } from './body-places.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import type { MergedAccess } from '../../audit/minute-merger.ts'
import type { AuditHealth } from '../../audit/audit-health.ts'
import type { PolicyCount } from '../../enforcement/policy-counters.ts'
import type { OperationCount } from './operation-counters.ts'
import type { Ticket } from '../../storage/ticket.ts'

/** What an HTTP worker is given at its start, as `workerData`. */
export interface WorkerStart {
  readonly number: number
  readonly settings: Settings
  readonly host: string
  readonly port: number
  readonly reusePort: boolean
  readonly tls: TlsPair | undefined
  readonly bodies: BodyBuffers
  /** `DenialTable`. */
  readonly denials: SharedArrayBuffer
  readonly storage: Ticket
  /** To the access thread; undefined where access is open. */
  readonly access: MessagePort | undefined
  /** To the audit thread; undefined where nothing is audited. */
  readonly audit: MessagePort | undefined
  readonly logFormat: 'json' | 'text'
  readonly seen: SeenHealth
}

/** What main has seen, for all who ask a worker. */
export interface SeenHealth {
  readonly write: Health
  readonly maintenance: Health
}

/** What a worker answers main. */
export interface WorkerSide {
  /** Once, at first. Throws UserError PORT_TAKEN, PORT_NOT_PERMITTED or LISTEN_FAILED. */
  listen(): Promise<void>
  setSeen(seen: SeenHealth): void
  setTls(pair: TlsPair): void
  counts(): WorkerCounts
  /** Resolves when of the requests that ran then none runs any more. */
  windDown(): Promise<void>
  /** The worker ends within `limit` milliseconds. */
  close(limit: number): void
}

/** What main answers a worker. */
export interface WorkerMain {
  /** Lines of the access log, for standard output. */
  accessLines(lines: string): void
}

export interface WorkerCounts {
  readonly worker: number
  readonly inFlight: number
  readonly requests: readonly RequestCount[]
  readonly operations: readonly OperationCount[]
  /** Empty where no policy judges. */
  readonly policies: readonly PolicyCount[]
  /** Event-loop lag since the last report, in seconds. */
  readonly lag: { readonly mean: number; readonly p99: number; readonly max: number }
}

/** What the threads beside the workers are given: maintenance, access, audit. */
export interface MaintenanceStart {
  readonly settings: Settings
  readonly storage: Ticket
  readonly logFormat: 'json' | 'text'
}

export type AccessStart = MaintenanceStart
export type AuditStart = MaintenanceStart

/** What a thread answers main of which there is one, and which all others ask over ports of their own. */
export interface ServedSide {
  /** Once, at first. Throws UserError where it cannot start for a reason that the person at the terminal can act on. */
  start(): Promise<void>
  /** Somebody else who asks. */
  attach(port: MessagePort): void
  /** Of the audit log; undefined of a thread that keeps none. */
  health(): AuditHealth | undefined
  stop(): void
}

/** What main answers the access thread. */
export interface AccessMain {
  /** PEM: the CA of the cluster's client certificates, at first and whenever it changes. Undefined: there is none now. */
  clientAuthority(cluster: string | undefined): void
}

/** What main answers the audit thread. */
export interface AuditMain {
  /** For standard output. */
  lines(lines: string): void
}

/** What the audit thread answers a worker. */
export interface AuditPort {
  merged(batch: readonly MergedAccess[]): void
}

export interface MaintenanceSide {
  /** Once, at first. */
  start(): void
  totals(): MaintenanceTotals
  stop(): void
}

export interface MaintenanceTotals {
  readonly collections: number
  readonly collectedItems: number
  readonly collectedBytes: number
  /** Seconds since the epoch; 0 before the first. */
  readonly lastCollection: number
}

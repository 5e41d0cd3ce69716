import type { MessagePort } from 'node:worker_threads'
import type { Health } from '../../http/health-routes.ts'
import type { RequestCount } from '../../http/request-counters.ts'
import type { TlsPair } from '../../http/tls-context.ts'
import type { ServedReport } from './served-thread.ts'
import type { BodyBuffers } from './body-places.ts'
import type { Settings } from '../settings-schema.ts'
import type { AuditHealth } from '../../audit/audit-health.ts'
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

export type WorkerOrder =
  | { readonly kind: 'seen'; readonly seen: SeenHealth }
  | { readonly kind: 'tls'; readonly pair: TlsPair }
  | { readonly kind: 'wind-down' }
  | { readonly kind: 'close'; readonly limit: number }
  | { readonly kind: 'counts'; readonly id: number }

export type WorkerReport =
  | { readonly kind: 'listening' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  /** Of the requests that ran at `wind-down` none runs any more. */
  | { readonly kind: 'wound-down' }
  | { readonly kind: 'access'; readonly lines: string }
  | { readonly kind: 'counts'; readonly id: number; readonly counts: WorkerCounts }

export interface WorkerCounts {
  readonly worker: number
  readonly inFlight: number
  readonly requests: readonly RequestCount[]
  readonly operations: readonly OperationCount[]
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

export type AccessReport =
  | ServedReport
  /** PEM: the CA of the cluster's client certificates, at first and whenever it changes. Undefined: there is none now. */
  | { readonly kind: 'client-authority'; readonly cluster: string | undefined }

export type AuditReport =
  | ServedReport
  /** For standard output. */
  | { readonly kind: 'lines'; readonly lines: string }
  | { readonly kind: 'health'; readonly id: number; readonly health: AuditHealth }

export type MaintenanceOrder = { readonly kind: 'stop' } | { readonly kind: 'totals'; readonly id: number }

export type MaintenanceReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'totals'; readonly id: number; readonly totals: MaintenanceTotals }

export interface MaintenanceTotals {
  readonly collections: number
  readonly collectedItems: number
  readonly collectedBytes: number
  /** Seconds since the epoch; 0 before the first. */
  readonly lastCollection: number
}

import type { LogName } from './chain.ts'
import type { SinkHealth } from './sink.ts'

/** The state of the audit, for metrics and for health checks. Plain data. */
export interface AuditHealth {
  /** True while everything that waits can be written to the log. */
  readonly ok: boolean
  readonly problem: string | undefined
  /** When the problem began: milliseconds since the epoch. */
  readonly since: number | undefined
  /** Changes and denials that are not in the log yet: outbox rows, and their bytes. */
  readonly outbox: { readonly rows: number; readonly bytes: number }
  /** Lines in memory that are not in the log yet. */
  readonly waiting: number
  /** Allowed accesses since the start that will never be in the log. */
  readonly lost: number
  /** Lines written since the start, per log. */
  readonly lines: Readonly<Record<LogName, number>>
  /** Number of the last line of each log. */
  readonly last: Readonly<Record<LogName, number>>
  /** When the heads were last signed. */
  readonly signedAt: number
  readonly sinks: readonly SinkHealth[]
}

import type { LogName } from './chain.ts'
import type { SinkHealth } from './sink.ts'

/** How the audit fares: for metrics and for who asks whether changes are recorded. Plain data. */
export interface AuditHealth {
  /** All that waits gets into the log now. */
  readonly ok: boolean
  readonly problem: string | undefined
  /** Of the problem: milliseconds since the epoch. */
  readonly since: number | undefined
  /** Rows of changes and denials that are not in the log yet, and their bytes. */
  readonly outbox: { readonly rows: number; readonly bytes: number }
  /** Lines in memory that are not in the log yet. */
  readonly waiting: number
  /** Allowed accesses that will never be in the log, since the start. */
  readonly lost: number
  /** Written since the start. */
  readonly lines: Readonly<Record<LogName, number>>
  /** Number of the last line. */
  readonly last: Readonly<Record<LogName, number>>
  /** When the heads were signed last. */
  readonly signedAt: number
  readonly sinks: readonly SinkHealth[]
}

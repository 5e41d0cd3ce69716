import type { LogName } from './chain.ts'
import { accessEvent, systemEvent } from './cloud-event.ts'
import { decodeAuditRecord, type AuditFacts } from './audit-record.ts'

/** The metadata's outbox, as the log's writer uses it: the audit records that wait for the log. */
export interface AuditOutbox {
  read(page: { readonly after: number; readonly limit: number }): Promise<readonly QueuedAuditRecord[]>
  /** The entries up to and including `upTo` are in the log. Forgotten entries may reappear after a crash. */
  forget(upTo: number): Promise<void>
  size(): Promise<{ readonly rows: number; readonly bytes: number }>
}

export interface QueuedAuditRecord {
  readonly id: number
  /** Undefined: `facts.unrecorded` counts changes or denials without an audit record. */
  readonly auditRecord: string | undefined
  readonly facts: AuditFacts | undefined
}

/**
 * Returns the event of an outbox row, which names the row. There is an event even if the row cannot be read.
 */
export function entryEvent(
  entry: QueuedAuditRecord,
  { log, source, now }: { readonly log: LogName; readonly source: string; readonly now: number },
): string {
  const { id: row, auditRecord: text, facts } = entry
  const auditRecord = text === undefined ? undefined : decodeAuditRecord(text)
  if (auditRecord !== undefined) return accessEvent(auditRecord, { source, facts, row })
  const gap = facts?.['unrecorded'] as { count: number; since: number; until: number } | undefined
  const data =
    gap === undefined
      ? { reason: 'a note that cannot be read', count: 1 }
      : {
          log,
          reason:
            log === 'denials'
              ? 'denials were answered although they could not be recorded'
              : 'changes went on although they could not be recorded',
          count: gap.count,
          firstTime: new Date(gap.since).toISOString(),
          lastTime: new Date(gap.until).toISOString(),
        }
  return systemEvent(
    { id: `outbox-${row}-${gap?.since ?? 0}`, time: gap?.until ?? now, kind: 'gap', data },
    source,
    row,
  )
}

/** An id that no other event, of any row, has. */
export function entryId(entry: QueuedAuditRecord): string {
  const auditRecord = entry.auditRecord === undefined ? undefined : decodeAuditRecord(entry.auditRecord)
  const gap = entry.facts?.['unrecorded'] as { since: number } | undefined
  return auditRecord?.id ?? `outbox-${entry.id}-${gap?.since ?? 0}`
}

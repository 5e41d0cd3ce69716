import { entryId, type AuditOutbox, type QueuedAuditRecord } from '../../audit-outbox.ts'
import { decodeAuditRecord } from '../../audit-record.ts'
import { parseEvent } from '../../event-schema.ts'
import { eventTime } from '../../event-time.ts'
import type { SegmentLog } from './segment-log.ts'

const slack = 86_400_000
const page = 1000

/**
 * Outbox rows that are already in the log: the process ended after writing the log and before deleting the
 * rows.
 */
export async function rowsInLog(log: SegmentLog, outbox: AuditOutbox): Promise<ReadonlySet<number>> {
  const waiting = new Map<number, string>()
  let oldest = Infinity
  for (let after = 0; ;) {
    const entries: readonly QueuedAuditRecord[] = await outbox.read({ after, limit: page })
    for (const entry of entries) {
      waiting.set(entry.id, entryId(entry))
      oldest = Math.min(oldest, (entry.auditRecord && decodeAuditRecord(entry.auditRecord)?.time) || 0)
    }
    after = entries.at(-1)?.id ?? after
    if (entries.length < page) break
  }
  const found = new Set<number>()
  if (waiting.size === 0) return found
  const [first] = waiting.keys()
  for await (const line of log.backwards()) {
    const event = parseEvent(line.event)
    const row = event?.data['row']
    if (typeof row !== 'number') continue
    if (waiting.get(row) === event?.id) found.add(row)
    // After a restore of a backup, ids start again below those of the log: then the time ends the search.
    else if (row < (first ?? 0) || eventTime(line) < oldest - slack) break
  }
  return found
}

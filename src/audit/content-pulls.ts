import { setImmediate as nextTurn } from 'node:timers/promises'
import { parseLine } from './chain.ts'
import { parseEvent, type AuditEvent } from './event-schema.ts'
import type { AuditLines } from './audit-store.ts'
import { eventTime } from './event-time.ts'
import { firstLineOf } from './first-line.ts'

/** Lines that are looked at between two rounds of the event loop. */
const linesOfTurn = 256
const needle = Buffer.from('"digest":"')
const longestDigest = 'sha512:'.length + 128

/**
 * The allowed pulls since `since` (milliseconds since the epoch) of content with one of the digests, in no order. Reads
 * the log once, however many digests there are. Rejects when the signal fires.
 */
export async function* contentPulls(
  log: AuditLines,
  digests: ReadonlySet<string>,
  since: number,
  signal?: AbortSignal,
): AsyncGenerator<AuditEvent> {
  let lines = 0
  for (const segment of (await log.segments('pulls')).toReversed()) {
    const first = await firstLineOf(log.lines(segment))
    for await (const { bytes, whole } of log.lines(segment)) {
      if (++lines % linesOfTurn === 0) await nextTurn(undefined, { signal })
      if (!whole || !namesOne(bytes, digests)) continue
      const line = parseLine(bytes)
      const event = line && parseEvent(line.event)
      if (event === undefined || Date.parse(event.time) < since) continue
      const { action, decision, digest } = event.data
      if (action === 'pull' && decision === 'allow' && digest !== undefined && digests.has(digest))
        yield event
    }
    // Older segments end before this one begins.
    if (first !== undefined && eventTime(first) < since) return
  }
}

/** Whether a line has one of the digests as its own, seen from its bytes: most need not be parsed. */
function namesOne(bytes: Buffer, digests: ReadonlySet<string>): boolean {
  for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + needle.length)) {
    const start = at + needle.length
    const end = bytes.indexOf('"', start)
    if (end - start <= longestDigest && digests.has(bytes.toString('latin1', start, end))) return true
  }
  return false
}

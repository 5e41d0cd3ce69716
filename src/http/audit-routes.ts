import { auditKinds, readAudit, type AuditRequest, type AuditSource } from '../audit/audit-request.ts'
import { OciError } from '../oci/oci-error.ts'
import { auditLines, auditRequestOf } from './audit-reading.ts'
import { goingAway } from './refusals.ts'
import type { ServerRequest } from './server-request.ts'
import type { Reply } from './reply.ts'
import { route, type Route } from './route.ts'

/** Requests at once, for each worker. A reading scans a whole log; a follower mostly waits. */
const mostReadings = 2
const mostFollowers = 32
/** Milliseconds. After that the client must ask again and is authenticated and authorised again. */
const longestFollow = 5 * 60_000

/**
 * `GET /trow/v1/audit/query|follow|verify|key`: a JSON line for each event, no faster than the client takes
 * them; if reading fails, the last line is `{"error":…}`. `follow` ends when `stopping` fires, so that it
 * does not delay a shutdown, when the caller's credential expires, and after five minutes; the client then
 * asks again.
 */
export function auditRoutes(
  source: AuditSource | undefined,
  stopping: AbortSignal,
  now: () => number,
): Route[] {
  if (source === undefined) return []
  const running = { readings: 0, followers: 0 }
  const endOf = ({ caller }: ServerRequest): AbortSignal => {
    const left = (caller?.principal.expiresAt ?? Infinity) - now()
    return AbortSignal.timeout(Math.max(0, Math.min(longestFollow, left)))
  }
  const answer = (kind: AuditRequest['kind'], request: ServerRequest): Reply => {
    const parsed = auditRequestOf(kind, request.query)
    const counter = kind === 'follow' ? 'followers' : 'readings'
    if (kind === 'follow' && stopping.aborted) throw goingAway()
    if (running[counter] >= (kind === 'follow' ? mostFollowers : mostReadings)) {
      throw new OciError('TOOMANYREQUESTS', 'others are reading the audit', {
        detail: 'try again in a moment',
        headers: { 'Retry-After': '1' },
      })
    }
    running[counter]++
    const signal =
      kind === 'follow' ? AbortSignal.any([request.signal, stopping, endOf(request)]) : request.signal
    return {
      status: 200,
      headers: ['Content-Type', 'application/jsonl', 'Cache-Control', 'no-store'],
      body: {
        length: undefined,
        stream: () => auditLines(readAudit(source, parsed, signal), signal),
        close: () => void running[counter]--,
      },
    }
  }
  return auditKinds.map((kind) =>
    route(['GET'], `/trow/v1/audit/${kind}`, 'audit', (request) => answer(kind, request)),
  )
}

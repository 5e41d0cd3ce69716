import { auditKinds, readAudit, type AuditRequest, type AuditSource } from '../audit/audit-request.ts'
import { OciError } from '../oci/oci-error.ts'
import { auditLines, auditRequestOf } from './audit-reading.ts'
import { goingAway } from './refusals.ts'
import type { RegistryRequest } from './registry-request.ts'
import type { Reply } from './reply.ts'
import { route, type Route } from './route.ts'

/** At once, of one worker: they read all of a log; who follows mostly waits. */
const mostReadings = 2
const mostFollowers = 32
/** Milliseconds: then it is asked again who follows, and whether they still may. */
const longestFollow = 5 * 60_000

/**
 * `GET /trow/v1/audit/query|follow|verify|key`: a JSON line for each event, no faster than the client takes them; a last
 * line `{"error":…}` says that it failed. `follow` ends when `stopping` does, so that nobody waits for who only waits, with
 * the credential that it was asked with, and after five minutes; whoever follows asks again.
 */
export function auditRoutes(
  source: AuditSource | undefined,
  stopping: AbortSignal,
  now: () => number,
): Route[] {
  if (source === undefined) return []
  const running = { readings: 0, followers: 0 }
  const endOf = ({ caller }: RegistryRequest): AbortSignal => {
    const left = (caller?.principal.expiresAt ?? Infinity) - now()
    return AbortSignal.timeout(Math.max(0, Math.min(longestFollow, left)))
  }
  const answer = (kind: AuditRequest['kind'], request: RegistryRequest): Reply => {
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

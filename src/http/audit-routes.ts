import type { AuditEvent } from '../audit/event-schema.ts'
import type { PositionEvent } from '../audit/query.ts'
import {
  auditKinds,
  readAudit,
  type AuditRequest,
  type AuditSource,
  type KeyEvent,
} from '../audit/audit-request.ts'
import { parseAuditRequest } from '../audit/request-parameters.ts'
import type { VerifyEvent } from '../audit/verify-event.ts'
import { OciError } from '../oci/oci-error.ts'
import { HttpRefusal } from './http-refusal.ts'
import { goingAway } from './refusals.ts'
import type { RegistryRequest } from './registry-request.ts'
import type { Reply } from './reply.ts'
import { route, type Route } from './route.ts'

/** At once, of one worker: they read all of a log; who follows mostly waits. */
const mostReadings = 2
const mostFollowers = 32
/** Milliseconds: then it is asked again who follows, and whether they still may. */
const longestFollow = 5 * 60_000
/** Lines are sent together up to so many bytes. */
const chunkSize = 16 * 1024

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
    const parsed = parseAuditRequest(kind, request.query)
    if (typeof parsed === 'string')
      throw new HttpRefusal(400, 'REQUEST_INVALID', 'this cannot be asked of the audit', { detail: parsed })
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
        stream: () => lines(readAudit(source, parsed, signal), signal),
        close: () => void running[counter]--,
      },
    }
  }
  return auditKinds.map((kind) =>
    route(['GET'], `/trow/v1/audit/${kind}`, 'audit', (request) => answer(kind, request)),
  )
}

async function* lines(
  events: AsyncGenerator<AuditEvent | PositionEvent | VerifyEvent | KeyEvent>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let text = ''
  try {
    for await (const event of events) {
      if (signal.aborted) break
      text += `${JSON.stringify(event)}\n`
      // Whoever follows waits for what came before a position.
      if (text.length < chunkSize && !('kind' in event && event.kind === 'position')) continue
      yield Buffer.from(text)
      text = ''
    }
  } catch (error) {
    text += `${JSON.stringify({ error: (error as Error).message })}\n`
  }
  if (text !== '') yield Buffer.from(text)
}

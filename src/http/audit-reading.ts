import type { AuditEvent } from '../audit/event-schema.ts'
import type { AuditRequest, KeyEvent } from '../audit/audit-request.ts'
import type { PositionEvent } from '../audit/query.ts'
import { parseAuditRequest } from '../audit/request-parameters.ts'
import type { VerifyEvent } from '../audit/verify.ts'
import { reasonOf } from '../reason-of.ts'
import { HttpRefusal } from './http-refusal.ts'

// Shared by the audit routes over HTTP and through the control socket.

/** Characters: shorter lines are collected and sent as one chunk. */
const chunkSize = 16 * 1024

/** Throws HttpRefusal (400) with the reason if the parameters are not valid. */
export function auditRequestOf(kind: AuditRequest['kind'], query: URLSearchParams): AuditRequest {
  const parsed = parseAuditRequest(kind, query)
  if (typeof parsed !== 'string') return parsed
  throw new HttpRefusal(400, 'REQUEST_INVALID', 'this cannot be asked of the audit', { detail: parsed })
}

/** One JSON line for each event, several lines a chunk. If reading fails, the last line is `{"error":…}`. */
export async function* auditLines(
  events: AsyncGenerator<AuditEvent | PositionEvent | VerifyEvent | KeyEvent>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let text = ''
  try {
    for await (const event of events) {
      if (signal.aborted) break
      text += `${JSON.stringify(event)}\n`
      // A position ends a chunk: a following client needs the events before it without delay.
      if (text.length < chunkSize && !('kind' in event && event.kind === 'position')) continue
      yield Buffer.from(text)
      text = ''
    }
  } catch (error) {
    text += `${JSON.stringify({ error: reasonOf(error) })}\n`
  }
  if (text !== '') yield Buffer.from(text)
}

import type { AuditEvent } from '../audit/event-schema.ts'
import type { AuditRequest, KeyEvent } from '../audit/audit-request.ts'
import type { PositionEvent } from '../audit/query.ts'
import { parseAuditRequest } from '../audit/request-parameters.ts'
import type { VerifyEvent } from '../audit/verify.ts'
import { reasonOf } from '../reason-of.ts'
import { HttpRefusal } from './http-refusal.ts'

// What reading the audit shares, over HTTP and through the control socket.

/** Lines are sent together up to so many bytes. */
const chunkSize = 16 * 1024

/** Throws HttpRefusal 400, in words, for what cannot be asked. */
export function auditRequestOf(kind: AuditRequest['kind'], query: URLSearchParams): AuditRequest {
  const parsed = parseAuditRequest(kind, query)
  if (typeof parsed !== 'string') return parsed
  throw new HttpRefusal(400, 'REQUEST_INVALID', 'this cannot be asked of the audit', { detail: parsed })
}

/** A JSON line for each event, several sent together; a last line `{"error":…}` says that it failed. */
export async function* auditLines(
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
    text += `${JSON.stringify({ error: reasonOf(error) })}\n`
  }
  if (text !== '') yield Buffer.from(text)
}

import type { ServerResponse } from 'node:http'
import { auditKinds, readAudit, type AuditSource } from '../../audit/audit-request.ts'
import { parseAuditRequest } from '../../audit/request-parameters.ts'
import { sendEvents } from './events.ts'

/** `GET /audit/query|follow|verify|key`, for `printAuditRequest`. False: it is another request. */
export async function answerAudit(
  { method, url }: { readonly method: string; readonly url: URL },
  response: ServerResponse,
  source: AuditSource,
): Promise<boolean> {
  const kind = auditKinds.find((each) => url.pathname === `/audit/${each}`)
  if (method !== 'GET' || kind === undefined) return false
  const request = parseAuditRequest(kind, url.searchParams)
  if (typeof request === 'string') {
    response.writeHead(400).end(request)
    return true
  }
  const abort = new AbortController()
  response.once('close', () => abort.abort())
  await sendEvents(response, readAudit(source, request, abort.signal))
  return true
}

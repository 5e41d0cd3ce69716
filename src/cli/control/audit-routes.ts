import { auditKinds, readAudit, type AuditSource } from '../../audit/audit-request.ts'
import { parseAuditRequest } from '../../audit/request-parameters.ts'
import { HttpRefusal } from '../../http/http-refusal.ts'
import { route, type Route } from '../../http/route.ts'
import { eventReply } from './events.ts'

/** `GET /audit/query|follow|verify|key`, for `printAuditRequest`. */
export function controlAuditRoutes(source: AuditSource): Route[] {
  return auditKinds.map((kind) =>
    route(['GET'], `/audit/${kind}`, 'none', (request) => {
      const parsed = parseAuditRequest(kind, request.query)
      if (typeof parsed === 'string')
        throw new HttpRefusal(400, 'REQUEST_INVALID', 'this cannot be asked of the audit', { detail: parsed })
      return eventReply(readAudit(source, parsed, request.signal))
    }),
  )
}

import { auditKinds, readAudit, type AuditSource } from '../../audit/audit-request.ts'
import { auditLines, auditRequestOf } from '../../http/audit-reading.ts'
import { route, type Route } from '../../http/route.ts'

/** Routes `GET /audit/query|follow|verify|key`, which `printAuditRequest` calls. */
export function controlAuditRoutes(source: AuditSource): Route[] {
  return auditKinds.map((kind) =>
    route(['GET'], `/audit/${kind}`, 'none', ({ query, signal }) => {
      const events = readAudit(source, auditRequestOf(kind, query), signal)
      const stream = (): AsyncGenerator<Uint8Array> => auditLines(events, signal)
      return { status: 200, headers: [], body: { length: undefined, stream, close: () => undefined } }
    }),
  )
}

import type { AuditedAccess } from '../audit/trail.ts'
import type { ServerRequest } from './server-request.ts'

/** The content of an audit record: the request's own facts, and the decision on it. */
export function describeAccess(
  request: ServerRequest,
  route: string,
  made: Pick<AuditedAccess, 'actor' | 'action' | 'reason' | 'status'> &
    Partial<Pick<AuditedAccess, 'repository' | 'reference' | 'digest' | 'policy'>>,
): AuditedAccess {
  return {
    action: made.action,
    reason: made.reason,
    actor: made.actor,
    repository: made.repository,
    reference: made.reference,
    digest: made.digest,
    status: made.status,
    policy: made.policy,
    address: request.presented.address,
    userAgent: request.header('user-agent') ?? '',
    requestId: request.id,
    method: request.method,
    route,
  }
}

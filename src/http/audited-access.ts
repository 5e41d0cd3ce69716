import type { AuditedAccess } from '../audit/trail.ts'
import type { RegistryRequest } from './registry-request.ts'

/** What the audit is told of an access: what the request itself says, and what was made of it. */
export function describeAccess(
  request: RegistryRequest,
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
    address: request.shown.address,
    userAgent: request.header('user-agent') ?? '',
    requestId: request.id,
    method: request.method,
    route,
  }
}

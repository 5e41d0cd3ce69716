import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { encodeAuditRecord, namedActor } from '../../audit/audit-record.ts'

/**
 * The audit record of a change made by a user with access to the data folder, not through the registry's API.
 */
export function localAuditRecord(action: 'robot-create' | 'robot-revoke', subject: string): string {
  return encodeAuditRecord({
    id: randomUUID(),
    time: Date.now(),
    action,
    outcome: 'allowed',
    reason: 'done with the rights of the data folder',
    actor: namedActor('local', `local:${localUser()}`),
    repository: undefined,
    reference: subject,
    client: { address: '', userAgent: 'trow' },
    request: { id: '', method: '', route: '' },
    status: undefined,
  })
}

function localUser(): string {
  try {
    return userInfo().username
  } catch {
    // The user of a container may have no name.
    return String(process.getuid?.() ?? 'unknown')
  }
}

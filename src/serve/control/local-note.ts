import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { encodeNote } from '../../audit/audit-note.ts'

/** The audit note of what somebody does who has the data folder, not through the registry's own doors. */
export function localNote(action: 'robot-create' | 'robot-revoke', subject: string): string {
  return encodeNote({
    id: randomUUID(),
    time: Date.now(),
    action,
    outcome: 'allowed',
    reason: 'done with the rights of the data folder',
    actor: {
      name: `local:${localUser()}`,
      groups: [],
      kind: 'local',
      credentialId: undefined,
      serviceAccount: undefined,
      pod: undefined,
      node: undefined,
    },
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
    // A container's user need not have a name.
    return String(process.getuid?.() ?? 'unknown')
  }
}
